//! What becomes of many installations alike. It is written once, and both logs tell of it as if each installation had
//! an event and an audit entry of its own (R49, R51).

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, InstallationId, PackId, ReleaseId};
use crate::domain::installations::UpdateState;
use crate::domain::log::audit::{Change, Recorded, Subject, SubjectKey};
use crate::domain::log::event::{Audience, EventData, EventKind, NewEvent};

/// What is the same for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub publisher_id: AccountId,
    pub occurred_at: Instant,
    pub pack_id: PackId,
    pub pack_name: String,
    pub release_id: Option<ReleaseId>,
    /// What the event log tells; `None` when it tells nothing.
    pub event: Option<EventClass>,
    /// What the audit log tells; `None` when it tells nothing.
    pub entry: Option<EntryClass>,
    /// Which version each installation has after it.
    pub version: VersionAfter,
}

/// What the event log tells of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventClass {
    pub kind: EventKind,
    pub audience: Audience,
    pub update_state: Option<UpdateState>,
}

/// What the audit log tells of each installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryClass {
    pub action: String,
    /// Whether the installation's account may read it too.
    pub for_account: bool,
    /// The fields that changed beside the version.
    pub changes: Vec<Change>,
}

/// Which version an installation has after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionAfter {
    /// The version that it had before.
    Same,
    /// The version of this number.
    Number(i32),
    /// The installation is gone.
    Gone,
}

/// What differs from one to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub account_id: AccountId,
    /// `None` when it is about the account and no installation of it.
    pub installation_id: Option<InstallationId>,
    /// The number of the version that the installation had before.
    pub version_before: Option<i32>,
    /// The installation's name, where that is another than the pack's.
    pub name: Option<String>,
}

impl Class {
    /// The event of one of them; `None` when the event log tells nothing.
    #[must_use]
    pub fn event_of(&self, record: &Record, id: Uuid) -> Option<NewEvent> {
        let event = self.event?;
        let version_number = match self.version {
            VersionAfter::Number(number) => Some(number),
            VersionAfter::Same | VersionAfter::Gone => record.version_before,
        };
        Some(NewEvent {
            id: id.into(),
            kind: event.kind,
            audience: event.audience,
            publisher_id: self.publisher_id,
            account_id: Some(record.account_id),
            pack_id: self.pack_id,
            pack_name: self.pack_name.clone(),
            occurred_at: self.occurred_at,
            actor: Actor::scheduler(),
            actor_account_name: None,
            release_id: self.release_id,
            installation_id: record.installation_id,
            update_state: event.update_state,
            component_version_id: None,
            group_id: None,
            data: EventData { version_number, ..EventData::default() },
        })
    }

    /// The audit entry of one of them; `None` when the audit log tells nothing.
    #[must_use]
    pub fn entry_of(&self, record: &Record, id: Uuid) -> Option<Recorded> {
        let entry = self.entry.as_ref()?;
        let installation = record.installation_id?;
        let mut changes = entry.changes.clone();
        changes.extend(self.version_change(record.version_before));
        Some(Recorded {
            id: id.into(),
            publisher_id: self.publisher_id,
            account_id: Some(record.account_id).filter(|_| entry.for_account),
            occurred_at: self.occurred_at,
            actor: Actor::scheduler(),
            actor_account_name: None,
            action: entry.action.clone(),
            subject: Subject {
                key: SubjectKey { type_name: INSTALLATION.into(), id: installation.0.to_string() },
                name: Some(record.name.clone().unwrap_or_else(|| self.pack_name.clone())),
            },
            own_subject: None,
            changes,
            request_id: None,
        })
    }

    fn version_change(&self, before: Option<i32>) -> Option<Change> {
        let after = match self.version {
            VersionAfter::Same => before,
            VersionAfter::Number(number) => Some(number),
            VersionAfter::Gone => None,
        };
        let number = |number: Option<i32>| number.map(|number| number.to_string());
        let change = || Change { field: "version".into(), before: number(before), after: number(after), of: None };
        (before != after).then(change)
    }
}

/// The type in the schema of what these entries are about.
pub const INSTALLATION: &str = "Installation";

/// The ids of many events, or of many entries. Each holds the place of its own among them, so that no index keeps
/// one for each; but nobody can tell from some of the ids how many others there are (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    base: u128,
    seal: Uuid,
}

/// The bits of an id that hold a place.
const PLACE: u128 = u32::MAX as u128;
/// How often the halves of a place are mixed.
const ROUNDS: u8 = 6;

impl IdRange {
    /// The ids that begin like `base`, which is random, with their places sealed by `seal`, which nobody is shown.
    #[must_use]
    pub fn new(base: Uuid, seal: Uuid) -> Self {
        Self { base: base.as_u128() & !PLACE, seal }
    }

    /// What all ids of the same range begin with.
    #[must_use]
    pub fn base_of(id: Uuid) -> Uuid {
        Uuid::from_u128(id.as_u128() & !PLACE)
    }

    /// What these ids begin with.
    #[must_use]
    pub fn base(self) -> Uuid {
        Uuid::from_u128(self.base)
    }

    /// The id at a place.
    #[must_use]
    pub fn id(self, place: u32) -> Uuid {
        let (mut left, mut right) = halves(place);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mixed(round, right));
        }
        Uuid::from_u128(self.base | u128::from(joined(left, right)))
    }

    /// The place of an id of this range; that of no event or entry when they are fewer.
    #[must_use]
    pub fn place(self, id: Uuid) -> u32 {
        let [.., a, b, c, d] = *id.as_bytes();
        let (mut left, mut right) = halves(u32::from_be_bytes([a, b, c, d]));
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mixed(round, left), left);
        }
        joined(left, right)
    }

    /// A number that only the seal gives: a Feistel cipher of 32 bits, whose halves are mixed by SHA-256.
    fn mixed(self, round: u8, half: u16) -> u16 {
        let mut hash = Sha256::new_with_prefix(self.seal.as_bytes());
        hash.update([round]);
        hash.update(half.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        u16::from_be_bytes([digest[0], digest[1]])
    }
}

fn halves(place: u32) -> (u16, u16) {
    let [a, b, c, d] = place.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn joined(left: u16, right: u16) -> u32 {
    u32::from(left) << 16 | u32::from(right)
}
