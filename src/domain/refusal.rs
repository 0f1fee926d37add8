//! Why a rule refuses: one enum for each area of the API, with the data that helps a caller.
//!
//! `message` is a sentence that says what to do; `field` is the path into the mutation's `input`.

use chrono::NaiveDate;

use super::id::{AccountId, ComponentId, ComponentVersionId, GroupId, InstallationId, PackId, ReleaseId};

/// The path into a mutation's `input`.
pub type Field = Vec<String>;

pub(super) fn path(parts: &[&str]) -> Option<Field> {
    Some(parts.iter().map(|part| (*part).to_owned()).collect())
}

/// What every refusal can say of itself.
pub trait Refusal {
    /// A sentence in English that says what to do.
    fn message(&self) -> String;
    /// The path into `input`; `None` when no one field is at fault.
    fn field(&self) -> Option<Field>;
}

/// Why making, deleting or restoring packages was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackagingRefusal {
    NameRequired,
    NameTooLong,
    VersionLabelInvalid {
        index: usize,
    },
    VersionLabelTaken {
        index: usize,
        taken_by: Option<ComponentVersionId>,
    },
    NotesTooLong {
        index: usize,
    },
    /// Those of a publication.
    PublicationNotesTooLong,
    TypeNotShareable {
        index: usize,
    },
    /// Of a component to be published (R52).
    ComponentNotShareable,
    ProcessRouteNotShareable {
        index: usize,
    },
    ManifestInvalid {
        index: usize,
        why: String,
    },
    EmptyList,
    TooMany,
    /// With the packs that hold it, by name, and whether the process library does.
    PackageInUse {
        packs: Vec<PackId>,
        in_library: bool,
    },
    AlreadyDeleted,
    NotDeleted,
    ClientRequestIdReused,
}

impl Refusal for PackagingRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give the component a name.".into(),
            Self::NameTooLong => "Shorten the name to 255 characters.".into(),
            Self::VersionLabelInvalid { .. } => "Give a version label of 1 to 64 characters, or leave it out.".into(),
            Self::VersionLabelTaken { .. } => {
                "The component has a package with this version label; choose another, or leave it out. A deleted package keeps its label.".into()
            }
            Self::NotesTooLong { .. } | Self::PublicationNotesTooLong => "Shorten the notes to 4,000 characters.".into(),
            Self::TypeNotShareable { .. } => "Only a PROCESS or an API_SERVICE can be shareable; package it with shareable: false.".into(),
            Self::ComponentNotShareable => "Only a PROCESS or an API_SERVICE can be published.".into(),
            Self::ProcessRouteNotShareable { .. } => {
                "The manifest holds a process route, which can't be shared; take it out, or package with shareable: false.".into()
            }
            Self::ManifestInvalid { why, .. } => why.clone(),
            Self::EmptyList => "Name at least one package to make.".into(),
            Self::TooMany => "Make at most 250 packages in one call.".into(),
            Self::PackageInUse { packs, in_library: true } if packs.is_empty() => {
                "The package is in the process library; withdraw it there before you delete it.".into()
            }
            Self::PackageInUse { in_library: true, .. } => {
                "Packs and the process library hold the package; release another version, unpin it, and withdraw it from the library, before you delete it.".into()
            }
            Self::PackageInUse { .. } => {
                "Packs hold the package, or their drafts are pinned to it; release another version, or unpin it, before you delete it.".into()
            }
            Self::AlreadyDeleted => "The package is deleted already.".into(),
            Self::NotDeleted => "The package isn't deleted; there is nothing to restore.".into(),
            Self::ClientRequestIdReused => REUSED.into(),
        }
    }

    fn field(&self) -> Option<Field> {
        let package = |index: &usize, field: &str| path(&["packages", &index.to_string(), field]);
        match self {
            Self::NameRequired | Self::NameTooLong => path(&["name"]),
            Self::VersionLabelInvalid { index } | Self::VersionLabelTaken { index, .. } => package(index, "version"),
            Self::NotesTooLong { index } => package(index, "notes"),
            Self::TypeNotShareable { index } => package(index, "shareable"),
            Self::ComponentNotShareable => path(&["componentId"]),
            Self::PublicationNotesTooLong => path(&["notes"]),
            Self::ProcessRouteNotShareable { index } | Self::ManifestInvalid { index, .. } => {
                package(index, "manifest")
            }
            Self::EmptyList | Self::TooMany => path(&["packages"]),
            Self::PackageInUse { .. } | Self::AlreadyDeleted | Self::NotDeleted => path(&["packagedComponentId"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
        }
    }
}

pub(super) const REUSED: &str =
    "This clientRequestId came with another input in the last 24 hours; use a new one for a new request.";

/// Why making or editing a pack was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackRefusal {
    NameRequired,
    NameTooLong,
    NameTaken,
    NameNotEditable,
    DescriptionTooLong,
    /// With the path below `support`.
    SupportInfoInvalid {
        part: &'static str,
    },
    EmptyList,
    PackFull,
    ComponentAlreadyInPack {
        components: Vec<ComponentId>,
    },
    ComponentNotInPack {
        component: ComponentId,
    },
    ComponentTypeNotAllowed {
        components: Vec<ComponentId>,
    },
    ApiServiceInMulti {
        components: Vec<ComponentId>,
    },
    NoShareableVersion {
        components: Vec<ComponentId>,
    },
    NotShareable,
    VersionDeleted,
    VersionOfOtherComponent,
    WrongDeploymentModel,
    MarkedForRemoval {
        component: ComponentId,
    },
    NotMarkedForRemoval {
        component: ComponentId,
    },
    NotPinned {
        component: ComponentId,
    },
    StaleRevision {
        current: i32,
    },
    /// With how many installations there are.
    ConfirmationRequired {
        installations: i64,
    },
    /// With how many installations there are.
    ConfirmationMismatch {
        installations: i64,
    },
    ReleaseInProgress,
}

impl Refusal for PackRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give the pack a name.".into(),
            Self::NameTooLong => "Shorten the name to 255 characters.".into(),
            Self::NameTaken => "Another of your packs has this name, whatever the case; choose another.".into(),
            Self::NameNotEditable => "A MULTI pack can't be renamed; leave the name out.".into(),
            Self::DescriptionTooLong => "Shorten the description to 500 characters.".into(),
            Self::SupportInfoInvalid { part } => format!(
                "Mend {part} in the support data: a contact has at most 255 characters, a text at most 20,000, an address is an absolute https: or http: address of at most 2,000."
            ),
            Self::EmptyList => "Name at least one component to add.".into(),
            Self::PackFull => {
                "A pack holds at most 100 components, those marked for removal included; nothing was added.".into()
            }
            Self::ComponentAlreadyInPack { .. } => {
                "A component stands in a pack once; leave it out, or restore it if it is marked for removal.".into()
            }
            Self::ComponentNotInPack { .. } => "The component doesn't stand in the pack; add it first.".into(),
            Self::ComponentTypeNotAllowed { .. } => "Only a PROCESS or an API_SERVICE can be added to a pack.".into(),
            Self::ApiServiceInMulti { .. } => "A MULTI pack can't hold an API service; use a SINGLE pack.".into(),
            Self::NoShareableVersion { .. } => {
                "Package a shareable version of the component first; for a legacy pack, publish it.".into()
            }
            Self::NotShareable => "Choose a version that is shareable.".into(),
            Self::VersionDeleted => "Choose a version that is not deleted, or restore it first.".into(),
            Self::VersionOfOtherComponent => "Choose a version of this component.".into(),
            Self::WrongDeploymentModel => {
                "A legacy pack takes publications, other packs take packaged components.".into()
            }
            Self::MarkedForRemoval { .. } => "The component is marked for removal; restore it first.".into(),
            Self::NotMarkedForRemoval { .. } => {
                "The component isn't marked for removal; there is nothing to restore.".into()
            }
            Self::NotPinned { .. } => {
                "The component isn't pinned; it follows its newest shareable version already.".into()
            }
            Self::StaleRevision { current } => {
                format!(
                    "Somebody else edited the pack since; it is at revision {current}. Read it again and repeat the edit."
                )
            }
            Self::ConfirmationRequired { installations } => {
                format!(
                    "Deleting the pack uninstalls it everywhere: repeat the number of its installations, {installations}."
                )
            }
            Self::ConfirmationMismatch { installations } => {
                format!("The pack has {installations} installations now; look again, and confirm that number.")
            }
            Self::ReleaseInProgress => "Installations of the pack are being moved; wait until that has ended.".into(),
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken | Self::NameNotEditable => path(&["name"]),
            Self::DescriptionTooLong => path(&["description"]),
            Self::SupportInfoInvalid { part } => path(&["support", part]),
            Self::EmptyList
            | Self::PackFull
            | Self::ComponentAlreadyInPack { .. }
            | Self::ComponentTypeNotAllowed { .. }
            | Self::ApiServiceInMulti { .. }
            | Self::NoShareableVersion { .. } => path(&["componentIds"]),
            Self::ComponentNotInPack { .. }
            | Self::MarkedForRemoval { .. }
            | Self::NotMarkedForRemoval { .. }
            | Self::NotPinned { .. } => path(&["componentId"]),
            Self::NotShareable | Self::VersionDeleted | Self::VersionOfOtherComponent | Self::WrongDeploymentModel => {
                path(&["versionId"])
            }
            Self::StaleRevision { .. } => path(&["expectedRevision"]),
            Self::ConfirmationRequired { .. } | Self::ConfirmationMismatch { .. } => path(&["confirmInstallations"]),
            Self::ReleaseInProgress => None,
        }
    }
}

/// Why releasing, or changing a release, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseRefusal {
    ClientRequestIdReused,
    StaleRevision { current: i32 },
    ContentChanged,
    InvalidSchedule,
    NotesRequired,
    NotesTooLong,
    EmptyPack,
    NothingToRelease,
    NoShareableVersion { components: Vec<ComponentId> },
    ReleaseInProgress { blocking: Option<ReleaseId> },
    ReleaseAlreadyPending { blocking: ReleaseId },
    NotPending,
    NotStarted,
    Superseded,
    NothingToRetry,
    TimeZoneRequired,
    DateDoesNotExist { earliest: NaiveDate, time_zone: String },
    DateNotInFuture { earliest: NaiveDate, time_zone: String },
    DateTooFar { latest: NaiveDate, time_zone: String },
}

impl Refusal for ReleaseRefusal {
    fn message(&self) -> String {
        match self {
            Self::ClientRequestIdReused => REUSED.into(),
            Self::StaleRevision { current } => {
                format!("Somebody else edited the pack since; it is at revision {current}. Read it again before you release it.")
            }
            Self::ContentChanged => "A release would now take other versions than the preview showed; preview it again.".into(),
            Self::InvalidSchedule => "Give `immediately: true`, or a date.".into(),
            Self::NotesRequired => "Say in the notes what the release brings.".into(),
            Self::NotesTooLong => "Shorten the notes to 20,000 characters.".into(),
            Self::EmptyPack => "Add a component to the pack before you release it.".into(),
            Self::NothingToRelease => "The release would hold what the current version holds; change the pack, or package a newer shareable version first.".into(),
            Self::NoShareableVersion { .. } => {
                "Package a shareable version of the components named (publish them, for a legacy pack), pin a version of them, or remove them from the pack.".into()
            }
            Self::ReleaseInProgress { .. } => "A rollout of the pack is running; wait until it has ended.".into(),
            Self::ReleaseAlreadyPending { .. } => {
                "A release of the pack waits for its date; reschedule, promote or cancel it, or release at once.".into()
            }
            Self::NotPending => "The release was canceled or superseded, or has ended; it can't be changed any more.".into(),
            Self::NotStarted => "The release has not started, so that no update of it can have failed.".into(),
            Self::Superseded => "A later release took this one's place; what failed is moved by that one.".into(),
            Self::NothingToRetry => "No update of the release has failed; there is nothing to try again.".into(),
            Self::TimeZoneRequired => "Set the time zone of your account (updateAccount) before you release on a date, or release at once.".into(),
            Self::DateDoesNotExist { earliest, time_zone } => {
                format!("There is no such day in {time_zone}; choose another, from {earliest} on.")
            }
            Self::DateNotInFuture { earliest, time_zone } => format!("Choose a date from {earliest} on, in {time_zone}."),
            Self::DateTooFar { latest, time_zone } => format!("Choose a date not after {latest}, in {time_zone}."),
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
            Self::StaleRevision { .. } => path(&["expectedRevision"]),
            Self::ContentChanged => path(&["expectedContent"]),
            Self::InvalidSchedule => path(&["schedule", "immediately"]),
            Self::NotesRequired | Self::NotesTooLong => path(&["notes"]),
            Self::DateDoesNotExist { .. } | Self::DateNotInFuture { .. } | Self::DateTooFar { .. } => path(&["onDate"]),
            Self::EmptyPack
            | Self::NothingToRelease
            | Self::NoShareableVersion { .. }
            | Self::ReleaseInProgress { .. }
            | Self::ReleaseAlreadyPending { .. }
            | Self::NotPending
            | Self::NotStarted
            | Self::Superseded
            | Self::NothingToRetry
            | Self::TimeZoneRequired => None,
        }
    }
}

/// Why changing groups and what is shared with them was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharingRefusal {
    NameRequired,
    NameTooLong,
    NameTaken,
    AllAccountsIsFixed,
    /// With the name of the list.
    EmptyList {
        list: &'static str,
    },
    /// With the name of the list.
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
}

impl Refusal for SharingRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give the group a name.".into(),
            Self::NameTooLong => "Shorten the name to 255 characters.".into(),
            Self::NameTaken => "Another of your groups has this name, whatever the case; choose another.".into(),
            Self::AllAccountsIsFixed => {
                "All Accounts holds every managed account by itself; only what is shared with it can be changed.".into()
            }
            Self::EmptyList { .. } => "Name at least one.".into(),
            Self::TooMany { .. } => "Name at most 100 in one call.".into(),
            Self::AlreadyInGroup { .. } => "The accounts named are in the group already; leave them out.".into(),
            Self::NotInGroup { .. } => "The accounts named aren't in the group; leave them out.".into(),
            Self::AlreadyShared { .. } => "The pack is shared with the groups named already; leave them out.".into(),
            Self::NotShared { .. } => "The pack isn't shared with the groups named; leave them out.".into(),
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken => path(&["name"]),
            Self::AllAccountsIsFixed => path(&["groupId"]),
            Self::EmptyList { list } | Self::TooMany { list } => path(&[list]),
            Self::AlreadyInGroup { .. } | Self::NotInGroup { .. } => path(&["accountIds"]),
            Self::AlreadyShared { .. } | Self::NotShared { .. } => path(&["groupIds"]),
        }
    }
}

/// Why changing accounts and tokens was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRefusal {
    NameRequired,
    NameTooLong,
    NameTaken,
    NameNotEditable,
    TimeZoneUnknown,
    AlreadySuspended,
    NotSuspended,
    ExpiryNotInFuture,
    ExpiryNotAllowed,
    AlreadyEnrolled,
    AlreadyRevoked,
    LastAdministratorToken,
}

impl Refusal for AccountRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give a name.",
            Self::NameTooLong => "Shorten the name to 255 characters.",
            Self::NameTaken => "Another account has this name, whatever the case; choose another.",
            Self::NameNotEditable => "A managed account's name is its publisher's to give; leave the name out.",
            Self::TimeZoneUnknown => "Choose the name of an IANA time zone, spelt as there: Europe/Berlin.",
            Self::AlreadySuspended => "The account is suspended already.",
            Self::NotSuspended => "The account isn't suspended.",
            Self::ExpiryNotInFuture => "Choose an end in the future, or leave it out for a token that doesn't end.",
            Self::ExpiryNotAllowed => "The first token of an account can't end; leave expiresAt out.",
            Self::AlreadyEnrolled => "The account has made its first token; it makes further ones itself.",
            Self::AlreadyRevoked => "The token is revoked already.",
            Self::LastAdministratorToken => {
                "This is the account's last administrator token without an end; make another one before you revoke it."
            }
        }
        .into()
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken | Self::NameNotEditable => path(&["name"]),
            Self::TimeZoneUnknown => path(&["timeZone"]),
            Self::ExpiryNotInFuture | Self::ExpiryNotAllowed => path(&["expiresAt"]),
            Self::AlreadySuspended | Self::NotSuspended | Self::AlreadyEnrolled => path(&["accountId"]),
            Self::AlreadyRevoked | Self::LastAdministratorToken => path(&["tokenId"]),
        }
    }
}

/// Why installing, renaming or updating was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallationRefusal {
    ClientRequestIdReused,
    NotEntitled,
    AlreadyInstalled { existing: Option<InstallationId> },
    OverrideNameNotAllowed,
    OverrideNameInvalid,
    OverrideNameTaken { existing: Option<InstallationId> },
    UpdateWithdrawn,
    ReleaseInProgress,
}

impl Refusal for InstallationRefusal {
    fn message(&self) -> String {
        match self {
            Self::ClientRequestIdReused => REUSED,
            Self::NotEntitled => "The pack is no longer shared with this account; ask its publisher.",
            Self::AlreadyInstalled { .. } => "The pack is installed already, and can be installed only once.",
            Self::OverrideNameNotAllowed => {
                "Only an installation of a MULTI pack has a name of its own; leave the name out."
            }
            Self::OverrideNameInvalid => "Give a name of 1 to 255 characters.",
            Self::OverrideNameTaken { .. } => {
                "Another installation of the account has this name, whatever the case; choose another."
            }
            Self::UpdateWithdrawn => {
                "The update was taken back: its release was canceled or superseded, or the pack uninstalled."
            }
            Self::ReleaseInProgress => {
                "The release window has opened: the server moves this installation now; there is nothing to do."
            }
        }
        .into()
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
            Self::OverrideNameNotAllowed | Self::OverrideNameInvalid | Self::OverrideNameTaken { .. } => {
                path(&["overrideName"])
            }
            Self::NotEntitled | Self::AlreadyInstalled { .. } | Self::UpdateWithdrawn | Self::ReleaseInProgress => None,
        }
    }
}
