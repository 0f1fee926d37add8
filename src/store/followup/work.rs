//! What the kinds of tasks ask for (R49).

use entity::task::{Column, Model};
use sea_orm::{ColumnTrait, Condition};
use uuid::Uuid;

use crate::domain::id::{AccountId, PackId, ReleaseId};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Offer a scheduled release to the installations of its pack (R26).
    Offer(PackId, ReleaseId),
    /// Move the installations of its pack to a release (R25, R27).
    RollOut(PackId, ReleaseId),
    /// Try the failed updates of a release again.
    Retry(PackId, ReleaseId),
    /// End a rollout that an operator gave up: what it hasn't come to has failed.
    GiveUp(PackId, ReleaseId),
    /// Take back the offers of a canceled or superseded release, and after a cancel the early applied (R29, R30).
    Withdraw(PackId, ReleaseId),
    /// Tell accounts of a pack that they gained or lost it, and freeze what they lose (R45, R50).
    GrantsOfPack(PackId),
    /// The same for all packs of one account.
    GrantsOfAccount(AccountId),
    /// Bring the installations of an account that is active again to what they were passed over for (R46).
    CatchUp(AccountId),
    /// Give the installations of a renamed SINGLE pack its new name for their order.
    Rename(PackId),
    /// Uninstall a deleted pack everywhere, and tell the accounts that had it or could have it (R47).
    Delete(PackId),
}

/// What a kind of task names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Release,
    Pack,
    Account,
}

/// The kinds that this program knows. A newer one may have left others.
const KINDS: [(&str, Names); 10] = [
    ("OFFER", Names::Release),
    ("ROLL_OUT", Names::Release),
    ("RETRY", Names::Release),
    ("GIVE_UP", Names::Release),
    ("WITHDRAW", Names::Release),
    ("GRANTS_OF_PACK", Names::Pack),
    ("GRANTS_OF_ACCOUNT", Names::Account),
    ("CATCH_UP", Names::Account),
    ("RENAME", Names::Pack),
    ("DELETE", Names::Pack),
];

/// Whether this program can do the task at hand: it knows the kind, and what that names is there.
pub(in crate::store) fn can_be_done() -> Condition {
    let kinds = |names: Names| KINDS.iter().filter(move |(_, of)| *of == names).map(|(kind, _)| *kind);
    let of = |names: Names| Condition::all().add(Column::Kind.is_in(kinds(names)));
    Condition::any()
        .add(of(Names::Release).add(Column::PackId.is_not_null()).add(Column::ReleaseId.is_not_null()))
        .add(of(Names::Pack).add(Column::PackId.is_not_null()))
        .add(of(Names::Account).add(Column::AccountId.is_not_null()))
}

impl Work {
    /// The stored name of its kind.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Offer(..) => "OFFER",
            Self::RollOut(..) => "ROLL_OUT",
            Self::Retry(..) => "RETRY",
            Self::GiveUp(..) => "GIVE_UP",
            Self::Withdraw(..) => "WITHDRAW",
            Self::GrantsOfPack(_) => "GRANTS_OF_PACK",
            Self::GrantsOfAccount(_) => "GRANTS_OF_ACCOUNT",
            Self::CatchUp(_) => "CATCH_UP",
            Self::Rename(_) => "RENAME",
            Self::Delete(_) => "DELETE",
        }
    }

    /// What a row asks for; `None` for what this program can't do.
    pub(in crate::store) fn of(row: &Model) -> Option<Self> {
        let pack = row.pack_id.map(PackId::from);
        let release = row.release_id.map(ReleaseId::from);
        let account = row.account_id.map(AccountId::from);
        Some(match (row.kind.as_str(), pack, release, account) {
            ("OFFER", Some(pack), Some(release), _) => Self::Offer(pack, release),
            ("ROLL_OUT", Some(pack), Some(release), _) => Self::RollOut(pack, release),
            ("RETRY", Some(pack), Some(release), _) => Self::Retry(pack, release),
            ("GIVE_UP", Some(pack), Some(release), _) => Self::GiveUp(pack, release),
            ("WITHDRAW", Some(pack), Some(release), _) => Self::Withdraw(pack, release),
            ("GRANTS_OF_PACK", Some(pack), ..) => Self::GrantsOfPack(pack),
            ("GRANTS_OF_ACCOUNT", .., Some(account)) => Self::GrantsOfAccount(account),
            ("CATCH_UP", .., Some(account)) => Self::CatchUp(account),
            ("RENAME", Some(pack), ..) => Self::Rename(pack),
            ("DELETE", Some(pack), ..) => Self::Delete(pack),
            _ => return None,
        })
    }

    /// The pack, release and account that it names.
    pub(in crate::store) fn names(self) -> (Option<Uuid>, Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Offer(pack, release)
            | Self::RollOut(pack, release)
            | Self::Retry(pack, release)
            | Self::GiveUp(pack, release)
            | Self::Withdraw(pack, release) => (Some(pack.into()), Some(release.into()), None),
            Self::GrantsOfPack(pack) | Self::Rename(pack) | Self::Delete(pack) => (Some(pack.into()), None, None),
            Self::GrantsOfAccount(account) | Self::CatchUp(account) => (None, None, Some(account.into())),
        }
    }

    /// Whether a task of it does the same whenever it begins: it compares what is so with what was told or
    /// done. Then a second one that waits beside a first has nothing to do.
    pub(in crate::store) fn compares(self) -> bool {
        match self {
            Self::GrantsOfPack(_) | Self::GrantsOfAccount(_) | Self::CatchUp(_) | Self::Rename(_) => true,
            Self::Offer(..)
            | Self::RollOut(..)
            | Self::Retry(..)
            | Self::GiveUp(..)
            | Self::Withdraw(..)
            | Self::Delete(_) => false,
        }
    }
}

impl Work {
    /// The account that grants are compared of.
    #[must_use]
    pub fn account(self) -> Option<AccountId> {
        if let Self::GrantsOfAccount(account) = self { Some(account) } else { None }
    }

    /// The pack that grants are compared of.
    #[must_use]
    pub fn pack(self) -> Option<PackId> {
        if let Self::GrantsOfPack(pack) = self { Some(pack) } else { None }
    }
}
