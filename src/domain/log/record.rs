//! Records: many equal changes of installations are stored once as a class with a short record each. Both logs show
//! them as if each installation had its own event and audit entry (R49, R51).

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::Instant;
use crate::domain::accounts::Actor;
use crate::domain::id::{AccountId, InstallationId, PackId, ReleaseId};
use crate::domain::installations::UpdateState;
use crate::domain::log::audit::{Change, Recorded, Subject, SubjectKey};
use crate::domain::log::event::{Audience, EventData, EventKind, NewEvent};

/// The data that all records of a batch have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub publisher_id: AccountId,
    pub occurred_at: Instant,
    pub pack_id: PackId,
    pub pack_name: String,
    pub release_id: Option<ReleaseId>,
    /// The event of each record; `None` if the event log has none.
    pub event: Option<EventClass>,
    /// The audit entry of each record; `None` if the audit log has none.
    pub entry: Option<EntryClass>,
    /// The version of the installations after the change.
    pub version: VersionAfter,
}

/// The common data of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventClass {
    pub kind: EventKind,
    pub audience: Audience,
    pub update_state: Option<UpdateState>,
}

/// The common data of the audit entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryClass {
    pub action: String,
    /// Whether the installation's account may read the entry too.
    pub for_account: bool,
    /// The changed fields other than the version.
    pub changes: Vec<Change>,
}

/// The version of an installation after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionAfter {
    /// The same version as before.
    Same,
    /// The version with this number.
    Number(i32),
    /// The installation was uninstalled.
    Gone,
}

/// The data of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub account_id: AccountId,
    /// `None` if the record concerns the account as a whole.
    pub installation_id: Option<InstallationId>,
    /// The number of the installation's version before the change.
    pub version_before: Option<i32>,
    /// The installation's name, if it isn't the pack's.
    pub name: Option<String>,
}

impl Class {
    /// The event of a record; `None` if the event log has none.
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
            pack_id: Some(self.pack_id),
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

    /// The audit entry of a record; `None` if the audit log has none.
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
        let change = || Change {
            field: "version".into(),
            before: number(before),
            after: number(after),
            of: None,
            private: false,
        };
        (before != after).then(change)
    }
}

/// The schema type of these entries' subjects.
pub(crate) const INSTALLATION: &str = "Installation";

/// The ids of a batch's events or entries. Each id contains its position in the batch in encrypted form, so that no
/// index of ids is needed, but clients can't derive the size of the batch from some of its ids (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    base: u128,
    seal: Uuid,
}

/// The bits of an id that contain the position.
const INDEX_BITS: u128 = u32::MAX as u128;
/// The number of rounds of the cipher.
const ROUNDS: u8 = 6;

impl IdRange {
    /// The ids that start with the random `base`. Their positions are encrypted with the secret `seal`.
    #[must_use]
    pub fn new(base: Uuid, seal: Uuid) -> Self {
        Self { base: base.as_u128() & !INDEX_BITS, seal }
    }

    /// The base of the range that an id belongs to.
    #[must_use]
    pub fn base_of(id: Uuid) -> Uuid {
        Uuid::from_u128(id.as_u128() & !INDEX_BITS)
    }

    /// The base of these ids.
    #[must_use]
    pub fn base(self) -> Uuid {
        Uuid::from_u128(self.base)
    }

    /// The id at a position.
    #[must_use]
    pub fn id(self, index: u32) -> Uuid {
        let (mut left, mut right) = halves(index);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mixed(round, right));
        }
        Uuid::from_u128(self.base | u128::from(joined(left, right)))
    }

    /// The position of an id of this range. It can be beyond the batch's end, if the id was made up.
    #[must_use]
    pub fn index_of(self, id: Uuid) -> u32 {
        let [.., a, b, c, d] = *id.as_bytes();
        let (mut left, mut right) = halves(u32::from_be_bytes([a, b, c, d]));
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mixed(round, left), left);
        }
        joined(left, right)
    }

    /// The round function of a Feistel cipher of 32 bits: a part of a SHA-256 hash that depends on the seal.
    fn mixed(self, round: u8, half: u16) -> u16 {
        let mut hash = Sha256::new_with_prefix(self.seal.as_bytes());
        hash.update([round]);
        hash.update(half.to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        u16::from_be_bytes([digest[0], digest[1]])
    }
}

fn halves(index: u32) -> (u16, u16) {
    let [a, b, c, d] = index.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

fn joined(left: u16, right: u16) -> u32 {
    u32::from(left) << 16 | u32::from(right)
}
