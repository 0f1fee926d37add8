//! Events as use cases add them to their journal.

use crate::domain::accounts::{Account, AccountGroup, AccountKind};
use crate::domain::id::{AccountId, ComponentVersionId, GroupId, InstallationId, PackId, ReleaseId};
use crate::domain::installations::{Installation, UpdateState};
use crate::domain::log::{Audience, EventData, EventKind, WindowFacts};
use crate::domain::packs::Pack;
use crate::domain::releases::Window;

/// An event without the actor and the time, which the journal adds.
#[derive(Clone, Debug)]
pub struct JournalEvent {
    pub kind: EventKind,
    pub audience: Audience,
    pub account_id: Option<AccountId>,
    pub pack_id: Option<PackId>,
    pub pack_name: String,
    pub release_id: Option<ReleaseId>,
    pub installation_id: Option<InstallationId>,
    pub update_state: Option<UpdateState>,
    pub component_version_id: Option<ComponentVersionId>,
    pub group_id: Option<GroupId>,
    pub data: EventData,
}

impl JournalEvent {
    /// An event of a pack, for its publisher.
    #[must_use]
    pub fn of(kind: EventKind, pack: &Pack) -> Self {
        Self { pack_id: Some(pack.id), pack_name: pack.name.clone(), ..Self::without_pack(kind) }
    }

    /// An event that concerns no pack, for the publisher.
    #[must_use]
    pub fn without_pack(kind: EventKind) -> Self {
        Self {
            kind,
            audience: Audience::Publisher,
            account_id: None,
            pack_id: None,
            pack_name: String::new(),
            release_id: None,
            installation_id: None,
            update_state: None,
            component_version_id: None,
            group_id: None,
            data: EventData::default(),
        }
    }

    /// An event of an account: of a managed one for its publisher and itself, of a publisher for itself.
    #[must_use]
    pub fn account(kind: EventKind, account: &Account) -> Self {
        match account.kind {
            AccountKind::Publisher => Self::without_pack(kind),
            AccountKind::Managed => Self {
                audience: Audience::PublisherAndAccount,
                account_id: Some(account.id),
                ..Self::without_pack(kind)
            },
        }
    }

    /// The event that a group was made, changed or deleted, for the publisher.
    #[must_use]
    pub fn group(group: &AccountGroup) -> Self {
        Self {
            group_id: Some(group.id),
            data: EventData { group_name: Some(group.name.clone()), ..EventData::default() },
            ..Self::without_pack(EventKind::GroupChanged)
        }
    }

    /// The event that a component was packaged or published, for the publisher.
    #[must_use]
    pub fn packaged(version: ComponentVersionId) -> Self {
        Self { component_version_id: Some(version), ..Self::without_pack(EventKind::ComponentPackaged) }
    }

    /// An event of an installation, for the publisher and its account. `number` is that of the installation's version.
    #[must_use]
    pub fn installation(kind: EventKind, pack: &Pack, installation: &Installation, number: i32) -> Self {
        Self {
            audience: Audience::PublisherAndAccount,
            account_id: Some(installation.account_id),
            installation_id: Some(installation.id),
            data: EventData { version_number: Some(number), ..EventData::default() },
            ..Self::of(kind, pack)
        }
    }

    /// An event of a release, for the publisher and the accounts that have the pack installed.
    #[must_use]
    pub fn release(kind: EventKind, pack: &Pack, release: ReleaseId) -> Self {
        Self { audience: Audience::PublisherAndInstalled, release_id: Some(release), ..Self::of(kind, pack) }
    }
}

/// The data of a window in an event.
#[must_use]
pub fn window_facts(window: &Window) -> WindowFacts {
    WindowFacts {
        date: window.date,
        time_zone: window.time_zone.clone(),
        starts_at: window.starts_at,
        ends_at: window.ends_at,
    }
}
