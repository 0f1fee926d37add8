use crate::domain::id::{ComponentId, PackId};
use crate::domain::own_key::KEY_INVALID;
use crate::domain::refusal::{Field, REUSED, Refusal, path};

/// Why creating, editing or deleting a pack was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackRefusal {
    NameRequired,
    NameTooLong,
    /// Carries the pack that has the name.
    NameTaken {
        taken_by: Option<PackId>,
    },
    NameNotEditable,
    DescriptionTooLong,
    /// Carries the name of the field below `support`.
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
    /// Carries the current number of installations.
    ConfirmationRequired {
        installations: i64,
    },
    /// Carries the current number of installations.
    ConfirmationMismatch {
        installations: i64,
    },
    ReleaseInProgress,
    /// Carries the pack that has the key.
    KeyTaken {
        taken_by: Option<PackId>,
    },
    KeyInvalid,
    ClientRequestIdReused,
}

impl Refusal for PackRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give the pack a name.".into(),
            Self::NameTooLong => "Shorten the name to 255 characters.".into(),
            Self::NameTaken { .. } => "Another of your packs has this name, whatever the case; choose another.".into(),
            Self::NameNotEditable => "A MULTI pack can't be renamed; leave the name out.".into(),
            Self::DescriptionTooLong => "Shorten the description to 500 characters.".into(),
            Self::SupportInfoInvalid { part } => format!(
                "Correct {part} in the support data: a contact has at most 255 characters, a text at most 20,000, an address is an absolute https: or http: address of at most 2,000, with a host, without a user, quotes, blanks and backslashes."
            ),
            Self::EmptyList => "Name at least one component to add.".into(),
            Self::PackFull => {
                "A pack holds at most 100 components, those marked for removal included; nothing was added.".into()
            }
            Self::ComponentAlreadyInPack { .. } => {
                "A component can be in a pack only once; leave it out, or restore it if it is marked for removal."
                    .into()
            }
            Self::ComponentNotInPack { .. } => "The component isn't in the pack; add it first.".into(),
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
            Self::KeyTaken { .. } => "Another of your packs has this key; choose another.".into(),
            Self::KeyInvalid => KEY_INVALID.into(),
            Self::ClientRequestIdReused => REUSED.into(),
        }
    }

    fn field(&self) -> Option<Field> {
        match self {
            Self::NameRequired | Self::NameTooLong | Self::NameTaken { .. } | Self::NameNotEditable => path(&["name"]),
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
            Self::KeyTaken { .. } | Self::KeyInvalid => path(&["key"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
        }
    }
}
