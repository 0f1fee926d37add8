//! The kinds of follow-up tasks (R49).

use entity::task::{Column, Model};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use crate::domain::id::{AccountId, PackId, ReleaseId};

/// The work of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Offer a scheduled release to the installations of its pack (R26).
    Offer(PackId, ReleaseId),
    /// Move the installations of its pack to a release (R25, R27).
    RollOut(PackId, ReleaseId),
    /// Move the installations that the opened early stages of a release hold, and then do its rollout, if the window
    /// has opened meanwhile (R55).
    Stage(PackId, ReleaseId),
    /// Try the failed updates of a release again.
    Retry(PackId, ReleaseId),
    /// One range of the installations of a [`Work::RollOut`] whose ranges are moved at the same time.
    RollOutRange(PackId, ReleaseId),
    /// End a rollout that an operator gave up. The update fails for every installation that wasn't processed.
    GiveUp(PackId, ReleaseId),
    /// Withdraw the offers of a canceled or superseded release, and after a cancel undo early updates (R29, R30).
    Withdraw(PackId, ReleaseId),
    /// Move the installations that have a release's version back to the former version (R59).
    RollBack(PackId, ReleaseId),
    /// One range of the installations of a [`Work::RollBack`] whose ranges are moved at the same time.
    RollBackRange(PackId, ReleaseId),
    /// Announce gained and lost grants of a pack to the accounts, and freeze installations without a grant (R45, R50).
    GrantsOfPack(PackId),
    /// Like [`Work::GrantsOfPack`], for all packs of one account.
    GrantsOfAccount(AccountId),
    /// Move the installations of a reactivated account to the releases for which they were skipped (R46).
    CatchUp(AccountId),
    /// Save a SINGLE pack's new name in its installations, which are sorted by it.
    Rename(PackId),
    /// Uninstall a deleted pack everywhere, and announce the deletion to accounts that had it or could install it
    /// (R47).
    Delete(PackId),
}

/// The object that a kind of task refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Release,
    Pack,
    Account,
}

/// The kinds that this program knows. A newer version may have added tasks of other kinds.
const KINDS: [(&str, Names); 14] = [
    ("OFFER", Names::Release),
    ("ROLL_OUT", Names::Release),
    ("ROLL_OUT_RANGE", Names::Release),
    ("STAGE", Names::Release),
    ("RETRY", Names::Release),
    ("GIVE_UP", Names::Release),
    ("WITHDRAW", Names::Release),
    ("ROLL_BACK", Names::Release),
    ("ROLL_BACK_RANGE", Names::Release),
    ("GRANTS_OF_PACK", Names::Pack),
    ("GRANTS_OF_ACCOUNT", Names::Account),
    ("CATCH_UP", Names::Account),
    ("RENAME", Names::Pack),
    ("DELETE", Names::Pack),
];

/// The kinds that are ranges.
pub(in crate::store) const RANGES: [&str; 2] = ["ROLL_OUT_RANGE", "ROLL_BACK_RANGE"];

/// The stored names of the kinds.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(kind, _)| *kind)
}

/// The condition that this program can do a task: it knows the kind, and the row refers to the object that it needs.
pub(in crate::store) fn can_be_done() -> Condition {
    let kinds = |names: Names| KINDS.iter().filter(move |(_, of)| *of == names).map(|(kind, _)| *kind);
    let of = |names: Names| Condition::all().add(Column::Kind.is_in(kinds(names)));
    Condition::any()
        .add(of(Names::Release).add(Column::PackId.is_not_null()).add(Column::ReleaseId.is_not_null()))
        .add(of(Names::Pack).add(Column::PackId.is_not_null()))
        .add(of(Names::Account).add(Column::AccountId.is_not_null()))
}

impl Work {
    /// The stored name of the kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Offer(..) => "OFFER",
            Self::RollOut(..) => "ROLL_OUT",
            Self::RollOutRange(..) => "ROLL_OUT_RANGE",
            Self::Stage(..) => "STAGE",
            Self::Retry(..) => "RETRY",
            Self::GiveUp(..) => "GIVE_UP",
            Self::Withdraw(..) => "WITHDRAW",
            Self::RollBack(..) => "ROLL_BACK",
            Self::RollBackRange(..) => "ROLL_BACK_RANGE",
            Self::GrantsOfPack(_) => "GRANTS_OF_PACK",
            Self::GrantsOfAccount(_) => "GRANTS_OF_ACCOUNT",
            Self::CatchUp(_) => "CATCH_UP",
            Self::Rename(_) => "RENAME",
            Self::Delete(_) => "DELETE",
        }
    }

    /// The work of a row; `None` if this program can't do it.
    pub(in crate::store) fn of(row: &Model) -> Option<Self> {
        let pack = row.pack_id.map(PackId::from);
        let release = row.release_id.map(ReleaseId::from);
        let account = row.account_id.map(AccountId::from);
        Some(match (row.kind.as_str(), pack, release, account) {
            ("OFFER", Some(pack), Some(release), _) => Self::Offer(pack, release),
            ("ROLL_OUT", Some(pack), Some(release), _) => Self::RollOut(pack, release),
            ("ROLL_OUT_RANGE", Some(pack), Some(release), _) => Self::RollOutRange(pack, release),
            ("STAGE", Some(pack), Some(release), _) => Self::Stage(pack, release),
            ("RETRY", Some(pack), Some(release), _) => Self::Retry(pack, release),
            ("GIVE_UP", Some(pack), Some(release), _) => Self::GiveUp(pack, release),
            ("WITHDRAW", Some(pack), Some(release), _) => Self::Withdraw(pack, release),
            ("ROLL_BACK", Some(pack), Some(release), _) => Self::RollBack(pack, release),
            ("ROLL_BACK_RANGE", Some(pack), Some(release), _) => Self::RollBackRange(pack, release),
            ("GRANTS_OF_PACK", Some(pack), ..) => Self::GrantsOfPack(pack),
            ("GRANTS_OF_ACCOUNT", .., Some(account)) => Self::GrantsOfAccount(account),
            ("CATCH_UP", .., Some(account)) => Self::CatchUp(account),
            ("RENAME", Some(pack), ..) => Self::Rename(pack),
            ("DELETE", Some(pack), ..) => Self::Delete(pack),
            _ => return None,
        })
    }

    /// The ids of the pack, the release and the account.
    #[must_use]
    pub fn names(self) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Offer(pack, release)
            | Self::RollOut(pack, release)
            | Self::RollOutRange(pack, release)
            | Self::Stage(pack, release)
            | Self::Retry(pack, release)
            | Self::GiveUp(pack, release)
            | Self::Withdraw(pack, release)
            | Self::RollBack(pack, release)
            | Self::RollBackRange(pack, release) => (Some(pack.into()), Some(release.into()), None),
            Self::GrantsOfPack(pack) | Self::Rename(pack) | Self::Delete(pack) => (Some(pack.into()), None, None),
            Self::GrantsOfAccount(account) | Self::CatchUp(account) => (None, None, Some(account.into())),
        }
    }

    /// Whether the work compares the present state with the announced or applied one. Such a task has the same effect
    /// whenever it begins, so a second one next to one that hasn't begun is needless.
    pub(in crate::store) fn compares(self) -> bool {
        match self {
            Self::GrantsOfPack(_) | Self::GrantsOfAccount(_) | Self::CatchUp(_) | Self::Rename(_) => true,
            Self::Offer(..)
            | Self::RollOut(..)
            | Self::RollOutRange(..)
            | Self::Stage(..)
            | Self::Retry(..)
            | Self::GiveUp(..)
            | Self::Withdraw(..)
            | Self::RollBack(..)
            | Self::RollBackRange(..)
            | Self::Delete(_) => false,
        }
    }
}

impl Work {
    /// The work of which this is a range; the work itself if it isn't a range.
    #[must_use]
    pub fn whole(self) -> Self {
        match self {
            Self::RollOutRange(pack, release) => Self::RollOut(pack, release),
            Self::RollBackRange(pack, release) => Self::RollBack(pack, release),
            other => other,
        }
    }

    /// A range of this work; `None` if the work can't be split.
    #[must_use]
    pub fn range(self) -> Option<Self> {
        match self {
            Self::RollOut(pack, release) => Some(Self::RollOutRange(pack, release)),
            Self::RollBack(pack, release) => Some(Self::RollBackRange(pack, release)),
            _ => None,
        }
    }

    /// Whether this is a range of a rollout or of a roll back.
    #[must_use]
    pub fn is_range(self) -> bool {
        self.whole() != self
    }

    /// The account whose grants are compared.
    #[must_use]
    pub fn account(self) -> Option<AccountId> {
        if let Self::GrantsOfAccount(account) = self { Some(account) } else { None }
    }

    /// The pack whose grants are compared.
    #[must_use]
    pub fn pack(self) -> Option<PackId> {
        if let Self::GrantsOfPack(pack) = self { Some(pack) } else { None }
    }
}
