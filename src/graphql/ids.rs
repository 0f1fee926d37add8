//! Global ids: opaque outside; inside a prefix for the type and the UUID, so that an id of another type
//! than a place wants is found out without asking the database (R3).

use async_graphql::{ID, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::domain::id::{
    AccountId, AuditEntryId, ComponentId, ComponentVersionId, EventId, GroupId, InstallationId, LibraryProcessId,
    PackId, PackVersionId, ReleaseId, TokenId, UpdateId,
};

use super::error::not_found;
use crate::domain::audit::SubjectKey;
use crate::domain::packaged_component::{NamedVersion, VersionKind};

/// The bytes of an identity.
trait Bytes: Sized {
    fn write(self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Option<Self>;
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
        }
    )*};
}

bytes_of_uuid! {
    AccountId AuditEntryId ComponentId ComponentVersionId EventId GroupId InstallationId LibraryProcessId PackId PackVersionId ReleaseId TokenId
}

impl Bytes for UpdateId {
    fn write(self) -> Vec<u8> {
        [self.installation.write(), self.release.write()].concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (installation, release) = bytes.split_at_checked(16)?;
        Some(Self { installation: InstallationId::read(installation)?, release: ReleaseId::read(release)? })
    }
}

macro_rules! gids {
    ($($variant:ident($id:ident) = $prefix:literal, $typed:ident, $all:ident;)*) => {
        /// An object that has an id: its type in the schema and its identity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Gid {
            $($variant($id),)*
        }

        impl Gid {
            /// The id as it is given out.
            #[must_use]
            pub fn encode(self) -> ID {
                match self {
                    $(Self::$variant(id) => spell($prefix, &id.write()),)*
                }
            }

            /// What an id names; `None` for anything that [`Gid::encode`] would not print.
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

            /// Its type in the schema and its identity, as the audit log spells them.
            #[must_use]
            pub fn key(self) -> SubjectKey {
                match self {
                    $(Self::$variant(id) => SubjectKey {
                        type_name: stringify!($variant).into(),
                        id: text_of(&id.write()),
                    },)*
                }
            }

            /// What the audit log spells so.
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
                    _ => Err(not_found()),
                }
            }

            #[doc = concat!("The identities in ids of `", stringify!($variant), "`s.")]
            ///
            /// # Errors
            /// NOT_FOUND when one is any other id (R3).
            pub fn $all(ids: &[ID]) -> Result<Vec<$id>> {
                ids.iter().map($typed).collect()
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
    PublisherAccount(AccountId) = "pub", publisher_account_id, publisher_account_ids;
    OwnAccount(AccountId) = "own", own_account_id, own_account_ids;
    ManagedAccount(AccountId) = "acct", managed_account_id, managed_account_ids;
    AccountGroup(GroupId) = "grp", group_id, group_ids;
    ApiToken(TokenId) = "tok", token_id, token_ids;
    Event(EventId) = "evt", event_id, event_ids;
    AuditEntry(AuditEntryId) = "aud", audit_entry_id, audit_entry_ids;
}

/// The version of a component in the id of a `PackagedComponent` or a `Publication`.
///
/// # Errors
/// NOT_FOUND for any other id (R3).
pub fn version_id(id: &ID) -> Result<NamedVersion> {
    match Gid::decode(id) {
        Some(Gid::PackagedComponent(id)) => Ok(NamedVersion { kind: VersionKind::Package, id }),
        Some(Gid::Publication(id)) => Ok(NamedVersion { kind: VersionKind::Publication, id }),
        _ => Err(not_found()),
    }
}

/// UUIDs with a plus between them.
fn text_of(bytes: &[u8]) -> String {
    let uuids = bytes.chunks(16).filter_map(|bytes| Uuid::from_slice(bytes).ok());
    uuids.map(|uuid| uuid.to_string()).collect::<Vec<_>>().join("+")
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let uuids: Result<Vec<Uuid>, _> = text.split('+').map(str::parse).collect();
    Some(uuids.ok()?.into_iter().flat_map(Uuid::into_bytes).collect())
}

fn spell(prefix: &str, bytes: &[u8]) -> ID {
    ID(crate::domain::id::spell(prefix, bytes))
}
