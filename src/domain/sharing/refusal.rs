use crate::domain::id::{AccountId, GroupId};
use crate::domain::own_key::KEY_INVALID;
use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why a change of groups, or of shares with groups, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharingRefusal {
    NameRequired,
    NameTooLong,
    /// Carries the group that has the name.
    NameTaken {
        taken_by: Option<GroupId>,
    },
    AllAccountsIsFixed,
    /// Carries the name of the input list.
    EmptyList {
        list: &'static str,
    },
    /// Carries the name of the input list.
    TooMany {
        list: &'static str,
    },
    AlreadyInGroup {
        accounts: Vec<AccountId>,
    },
    NotInGroup {
        accounts: Vec<AccountId>,
    },
    AlreadyShared {
        groups: Vec<GroupId>,
    },
    NotShared {
        groups: Vec<GroupId>,
    },
    /// Carries the group that has the key.
    KeyTaken {
        taken_by: Option<GroupId>,
    },
    KeyInvalid,
    ClientRequestIdReused,
}

impl Refusal for SharingRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give the group a name.".into(),
            Self::NameTooLong => "Shorten the name to 255 characters.".into(),
            Self::NameTaken { .. } => "Another of your groups has this name, whatever the case; choose another.".into(),
            Self::AllAccountsIsFixed => {
                "All Accounts holds every managed account by itself; only what is shared with it can be changed.".into()
            }
            Self::EmptyList { .. } => "Name at least one.".into(),
            Self::TooMany { .. } => "Name at most 100 in one call.".into(),
            Self::AlreadyInGroup { .. } => "The accounts named are in the group already; leave them out.".into(),
            Self::NotInGroup { .. } => "The accounts named aren't in the group; leave them out.".into(),
            Self::AlreadyShared { .. } => "The pack is shared with the groups named already; leave them out.".into(),
            Self::NotShared { .. } => "The pack isn't shared with the groups named; leave them out.".into(),
            Self::KeyTaken { .. } => "Another of your groups has this key; choose another.".into(),
            Self::KeyInvalid => KEY_INVALID.into(),
            Self::ClientRequestIdReused => REUSED.into(),
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken { .. } => path(&["name"]),
            Self::AllAccountsIsFixed => path(&["groupId"]),
            Self::EmptyList { list } | Self::TooMany { list } => path(&[list]),
            Self::AlreadyInGroup { .. } | Self::NotInGroup { .. } => path(&["accountIds"]),
            Self::AlreadyShared { .. } | Self::NotShared { .. } => path(&["groupIds"]),
            Self::KeyTaken { .. } | Self::KeyInvalid => path(&["key"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
        }
    }
}
