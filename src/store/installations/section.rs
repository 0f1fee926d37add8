//! Sections of a pack's installations. If all installations of a batch change alike, its statements name the section,
//! and no lists of ids.

use entity::installation;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use uuid::Uuid;

use crate::domain::id::{InstallationId, PackId};
use crate::store::column::col;
use crate::store::{StoreError, StoreResult, Tx};

/// The live installations of a pack from after the id `after` to the id `last`. Nobody removes one, because they are
/// locked. Nobody adds one while the pack is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub pack: PackId,
    /// The nil id for a section from the beginning: without a lower bound, PostgreSQL expects a third of all rows.
    pub after: Uuid,
    pub last: Uuid,
    /// The number of installations in it.
    pub count: u64,
    /// Whether the pack is locked. Otherwise it is held, and an installation may be added to the section.
    pub is_locked: bool,
}

impl Section {
    /// The condition that an id lies within the bounds.
    pub(in crate::store) fn bounds(&self, id: Expr) -> Expr {
        id.clone().gt(self.after).and(id.lte(self.last))
    }

    /// The condition that an installation belongs to the section.
    pub(in crate::store) fn holds(&self) -> Expr {
        use installation::Column as I;
        col(I::PackId).eq(self.pack.0).and(col(I::UninstalledAt).is_null()).and(self.bounds(col(I::Id)))
    }
}

/// Installations that change in the same way.
#[derive(Clone, Copy, Debug)]
pub enum Members<'a> {
    Listed(&'a [InstallationId]),
    /// All installations of a section.
    All(Section),
}

impl Members<'_> {
    /// The number of the installations.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Listed(ids) => u64::try_from(ids.len()).unwrap_or(u64::MAX),
            Self::All(section) => section.count,
        }
    }

    /// The condition that a row of the table `installation` is one of them.
    pub(in crate::store) fn any_of(&self, tx: &Tx) -> Expr {
        match self {
            Self::Listed(ids) => tx.any_of(col(installation::Column::Id), ids.iter().map(|id| id.0)),
            Self::All(section) => section.holds(),
        }
    }

    /// Fails unless a statement has changed as many rows as there are installations.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] if an installation may have been added meanwhile, because the pack is only held.
    pub(in crate::store) fn are_all(&self, changed: u64) -> StoreResult<()> {
        let count = self.count();
        if changed == count {
            return Ok(());
        }
        if matches!(self, Self::All(section) if !section.is_locked) {
            return Err(StoreError::Overtaken);
        }
        Err(StoreError::Fault(format!("a batch of {count} installations has changed {changed} rows")))
    }
}
