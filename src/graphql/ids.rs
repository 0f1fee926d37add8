//! Global ids, which are opaque to clients. An id has a prefix for its type and a UUID, so an id of the wrong type is
//! found without asking the database (R3).

use async_graphql::{ID, Result, Value};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::id::{
    AccountId, AuditEntryId, ComponentId, ComponentVersionId, EventId, GroupId, InstallationId, LibraryProcessId,
    OutcomeReportId, PackId, PackVersionId, ReleaseId, TokenId, TrustedPublisherId, UpdateId, WebhookId,
};

use super::error::not_found;
use crate::domain::components::{NamedVersion, VersionKind};
use crate::domain::log::SubjectKey;

/// An identity as bytes.
trait Bytes: Sized {
    fn write(self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Option<Self>;
    /// An identity that no object has.
    fn nothing(uuid: Uuid) -> Self;
}

macro_rules! bytes_of_uuid {
    ($($id:ident)*) => {$(
        impl Bytes for $id {
            fn write(self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }

            fn nothing(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    )*};
}

bytes_of_uuid! {
    AccountId AuditEntryId ComponentId ComponentVersionId EventId GroupId InstallationId LibraryProcessId OutcomeReportId PackId PackVersionId ReleaseId TokenId TrustedPublisherId WebhookId
}

impl Bytes for UpdateId {
    fn write(self) -> Vec<u8> {
        [self.installation.write(), self.release.write()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (installation, release) = bytes.split_at_checked(16)?;
        Some(Self { installation: InstallationId::read(installation)?, release: ReleaseId::read(release)? })
    }

    fn nothing(uuid: Uuid) -> Self {
        Self { installation: uuid.into(), release: uuid.into() }
    }
}

macro_rules! gids {
    ($($variant:ident($id:ident) = $prefix:literal, $typed:ident, $all:ident;)*) => {
        /// An object with a global id: its type in the schema and its identity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Gid {
            $($variant($id),)*
        }

        impl Gid {
            /// The global id.
            #[must_use]
            pub fn encode(self) -> ID {
                match self {
                    $(Self::$variant(id) => encode_id($prefix, &id.write()),)*
                }
            }

            /// Decodes a global id. `None` for any text that [`Gid::encode`] wouldn't produce.
            #[must_use]
            pub fn decode(id: &ID) -> Option<Self> {
                let (prefix, rest) = id.split_once('_')?;
                let bytes = URL_SAFE_NO_PAD.decode(rest).ok()?;
                let gid = match prefix {
                    $($prefix => Self::$variant($id::read(&bytes)?),)*
                    _ => return None,
                };
                (gid.encode() == *id).then_some(gid)
            }

            /// The identity as one UUID; `None` for an identity of two UUIDs.
            fn uuid(self) -> Option<Uuid> {
                match self {
                    $(Self::$variant(id) => Uuid::from_slice(&id.write()).ok(),)*
                }
            }

            /// The type in the schema and the identity, in the form of the audit log.
            #[must_use]
            pub fn key(self) -> SubjectKey {
                match self {
                    $(Self::$variant(id) => SubjectKey {
                        type_name: stringify!($variant).into(),
                        id: text_of(&id.write()),
                    },)*
                }
            }

            /// Reads the form of the audit log.
            #[must_use]
            pub fn of_key(key: &SubjectKey) -> Option<Self> {
                let bytes = bytes_of(&key.id)?;
                match key.type_name.as_str() {
                    $(stringify!($variant) => $id::read(&bytes).map(Self::$variant),)*
                    _ => None,
                }
            }
        }

        $(
            #[doc = concat!("The identity in the id of a `", stringify!($variant), "`.")]
            ///
            /// # Errors
            /// NOT_FOUND for any other id (R3).
            pub fn $typed(id: &ID) -> Result<$id> {
                match Gid::decode(id) {
                    Some(Gid::$variant(id)) => Ok(id),
                    _ => Err(not_found(id)),
                }
            }

            #[doc = concat!("The identities in ids of `", stringify!($variant), "`s. Any other id becomes an identity that no object")]
            /// has, so that the error can name all missing ids at once (R3).
            #[must_use]
            pub fn $all(ids: &[ID]) -> Vec<$id> {
                ids.iter().map(|id| $typed(id).unwrap_or_else(|_| $id::nothing(nothing(id)))).collect()
            }
        )*
    };
}

gids! {
    IntegrationPack(PackId) = "pack", pack_id, pack_ids;
    AvailablePack(PackId) = "avail", available_pack_id, available_pack_ids;
    PackVersion(PackVersionId) = "packv", pack_version_id, pack_version_ids;
    AvailablePackVersion(PackVersionId) = "availv", available_pack_version_id, available_pack_version_ids;
    Release(ReleaseId) = "rel", release_id, release_ids;
    AnnouncedRelease(ReleaseId) = "ann", announced_release_id, announced_release_ids;
    Component(ComponentId) = "comp", component_id, component_ids;
    PublishedProcess(LibraryProcessId) = "lib", published_process_id, published_process_ids;
    AvailableProcess(LibraryProcessId) = "alib", available_process_id, available_process_ids;
    Publication(ComponentVersionId) = "publ", publication_id, publication_ids;
    PackagedComponent(ComponentVersionId) = "pkg", packaged_component_id, packaged_component_ids;
    Installation(InstallationId) = "inst", installation_id, installation_ids;
    InstallationUpdate(UpdateId) = "upd", update_id, update_ids;
    UpdateOutcomeReport(OutcomeReportId) = "out", outcome_report_id, outcome_report_ids;
    PublisherAccount(AccountId) = "pub", publisher_account_id, publisher_account_ids;
    OwnAccount(AccountId) = "own", own_account_id, own_account_ids;
    ManagedAccount(AccountId) = "acct", managed_account_id, managed_account_ids;
    AccountGroup(GroupId) = "grp", group_id, group_ids;
    ApiToken(TokenId) = "tok", token_id, token_ids;
    Event(EventId) = "evt", event_id, event_ids;
    AuditEntry(AuditEntryId) = "aud", audit_entry_id, audit_entry_ids;
    WebhookEndpoint(WebhookId) = "hook", webhook_endpoint_id, webhook_endpoint_ids;
    TrustedPublisher(TrustedPublisherId) = "trust", trusted_publisher_id, trusted_publisher_ids;
}

/// The account in the id of a `ManagedAccount`; `None` for the caller's own account, by any of its ids. Fails with
/// NOT_FOUND for any other id (R3).
pub fn other_account(id: &ID, own: AccountId) -> Result<Option<AccountId>> {
    match Gid::decode(id) {
        Some(Gid::PublisherAccount(account) | Gid::OwnAccount(account)) if account == own => Ok(None),
        Some(Gid::ManagedAccount(account)) => Ok(Some(account)),
        _ => Err(not_found(id)),
    }
}

/// The version in the id of a `PackagedComponent` or a `Publication`. Fails with NOT_FOUND for any other id (R3).
pub fn version_id(id: &ID) -> Result<NamedVersion> {
    match Gid::decode(id) {
        Some(Gid::PackagedComponent(id)) => Ok(NamedVersion { kind: VersionKind::Package, id }),
        Some(Gid::Publication(id)) => Ok(NamedVersion { kind: VersionKind::Publication, id }),
        _ => Err(not_found(id)),
    }
}

/// Like [`version_id`], but any other id becomes an identity that no object has.
#[must_use]
pub fn version_id_or_nothing(id: &ID) -> NamedVersion {
    let nothing = || NamedVersion { kind: VersionKind::Package, id: nothing(id).into() };
    version_id(id).unwrap_or_else(|_| nothing())
}

macro_rules! or_nothing {
    ($($name:ident: $all:ident, $id:ident;)*) => {$(
        #[doc = concat!("[`", stringify!($all), "`] of one.")]
        #[must_use]
        pub fn $name(id: &ID) -> $id {
            let found = $all(std::slice::from_ref(id));
            found.into_iter().next().unwrap_or_else(|| $id::nothing(nothing(id)))
        }
    )*};
}

or_nothing! {
    pack_or_nothing: pack_ids, PackId;
    component_or_nothing: component_ids, ComponentId;
    group_or_nothing: group_ids, GroupId;
    package_or_nothing: packaged_component_ids, ComponentVersionId;
}

/// An identity that no object has, derived from the text of an id. No object has a UUID of this version.
fn nothing(id: &ID) -> Uuid {
    let hash = Sha256::digest(id.as_bytes());
    uuid::Builder::from_custom_bytes(*hash.first_chunk().unwrap_or(&[0; 16])).into_uuid()
}

/// The ids among a field's arguments that belong to `missing`, as their caller spelled them. When `missing` is `None`,
/// the only id, or nothing if there are several.
#[must_use]
pub fn named<'v>(arguments: impl Iterator<Item = (&'v str, &'v Value)>, missing: Option<&[Uuid]>) -> Vec<String> {
    let mut given = Vec::new();
    for (name, value) in arguments {
        gather(name, value, &mut given);
    }
    let is_missing = |id: &ID, missing: &[Uuid]| {
        let identity = Gid::decode(id).and_then(|gid| gid.uuid());
        missing.contains(&nothing(id)) || identity.is_some_and(|uuid| missing.contains(&uuid))
    };
    match missing {
        Some(missing) => given.retain(|text| is_missing(&ID::from(text.as_str()), missing)),
        None if given.len() > 1 => given.clear(),
        None => {}
    }
    given
}

/// Collects the strings in fields whose names end like those of ids, without duplicates.
fn gather(name: &str, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let is_id = name == "id" || name.ends_with("Id") || name.ends_with("Ids");
            if is_id && name != "clientRequestId" && !into.contains(text) {
                into.push(text.clone());
            }
        }
        Value::List(many) => many.iter().for_each(|one| gather(name, one, into)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| gather(name, value, into)),
        _ => {}
    }
}

/// The UUIDs in the bytes, joined by plus signs.
fn text_of(bytes: &[u8]) -> String {
    let uuids = bytes.chunks(16).filter_map(|bytes| Uuid::from_slice(bytes).ok());
    uuids.map(|uuid| uuid.to_string()).collect::<Vec<_>>().join("+")
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let uuids: Result<Vec<Uuid>, _> = text.split('+').map(str::parse).collect();
    Some(uuids.ok()?.into_iter().flat_map(Uuid::into_bytes).collect())
}

fn encode_id(prefix: &str, bytes: &[u8]) -> ID {
    ID(crate::domain::id::encode_id(prefix, bytes))
}
