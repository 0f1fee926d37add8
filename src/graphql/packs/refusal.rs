use async_graphql::{Context, Enum, Object, Result};

use crate::domain::id::ComponentId;
use crate::domain::packs::PackRefusal;
use crate::domain::refusal::Refusal as _;
use crate::graphql::components::Component;
use crate::graphql::connection::int;
use crate::graphql::packs::integration_pack::IntegrationPack;
use crate::graphql::refusals::all;

/// The error when making, editing or deleting a pack was refused.
#[derive(Clone, Debug)]
pub struct PackError(PackRefusal);

impl From<PackRefusal> for PackError {
    fn from(refusal: PackRefusal) -> Self {
        Self(refusal)
    }
}

impl PackError {
    fn at_fault(&self) -> Option<&[ComponentId]> {
        use PackRefusal as R;
        match &self.0 {
            R::ComponentAlreadyInPack { components }
            | R::ComponentTypeNotAllowed { components }
            | R::ApiServiceInMulti { components }
            | R::NoShareableVersion { components } => Some(components),
            R::ComponentNotInPack { component }
            | R::MarkedForRemoval { component }
            | R::NotMarkedForRemoval { component }
            | R::NotPinned { component } => Some(std::slice::from_ref(component)),
            _ => None,
        }
    }
}

/// The error when making, editing or deleting a pack was refused.
#[Object]
impl PackError {
    /// The rule that refused.
    pub async fn code(&self) -> PackErrorCode {
        PackErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }

    /// The pack that has the name or the key, for NAME_TAKEN and KEY_TAKEN.
    async fn taken_by(&self, ctx: &Context<'_>) -> Result<Option<IntegrationPack>> {
        match self.0 {
            PackRefusal::NameTaken { taken_by: Some(id) } | PackRefusal::KeyTaken { taken_by: Some(id) } => {
                IntegrationPack::by_id(ctx, id).await
            }
            _ => Ok(None),
        }
    }

    /// The components at fault; at most 100.
    async fn components(&self, ctx: &Context<'_>) -> Result<Option<Vec<Component>>> {
        all(self.at_fault(), |id| Component::by_id(ctx, id)).await
    }

    /// The revision now, for STALE_REVISION: read the pack again.
    async fn current_revision(&self) -> Option<i32> {
        match self.0 {
            PackRefusal::StaleRevision { current } => Some(current),
            _ => None,
        }
    }

    /// The number of installations now, for CONFIRMATION_REQUIRED and CONFIRMATION_MISMATCH.
    async fn installation_count(&self) -> Option<i32> {
        match self.0 {
            PackRefusal::ConfirmationRequired { installations }
            | PackRefusal::ConfirmationMismatch { installations } => Some(int(installations)),
            _ => None,
        }
    }
}

/// The reasons to refuse making, editing or deleting a pack.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackErrorCode {
    /// The name is empty.
    NameRequired,
    /// The name is longer than 255 characters.
    NameTooLong,
    /// The name is in use by another pack of the publisher.
    NameTaken,
    /// A MULTI pack can't be renamed.
    NameNotEditable,
    /// The description is longer than 500 characters.
    DescriptionTooLong,
    /// A part of the support data is too long or no address.
    SupportInfoInvalid,
    /// The list is empty.
    EmptyList,
    /// There would be more than 100 components.
    PackFull,
    /// The component is in the pack already.
    ComponentAlreadyInPack,
    /// The component isn't in the pack.
    ComponentNotInPack,
    /// Only a PROCESS or API_SERVICE can be added.
    ComponentTypeNotAllowed,
    /// A MULTI pack can't hold an API service.
    ApiServiceInMulti,
    /// It has no version that is shareable and not deleted.
    NoShareableVersion,
    /// The version isn't shareable.
    NotShareable,
    /// The version is deleted.
    VersionDeleted,
    /// The version belongs to another component.
    VersionOfOtherComponent,
    /// A legacy pack takes publications, others take packages.
    WrongDeploymentModel,
    /// It is marked for removal.
    MarkedForRemoval,
    /// It isn't marked for removal.
    NotMarkedForRemoval,
    /// It isn't pinned.
    NotPinned,
    /// The pack was edited since the caller read it.
    StaleRevision,
    /// The number of installations must be given.
    ConfirmationRequired,
    /// There is another number of installations now.
    ConfirmationMismatch,
    /// A rollout is running; wait until it has ended.
    ReleaseInProgress,
    /// The same ID came with another input.
    ClientRequestIdReused,
    /// The key is in use by another pack of the publisher.
    KeyTaken,
    /// A key has 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`.
    KeyInvalid,
}

impl From<&PackRefusal> for PackErrorCode {
    fn from(refusal: &PackRefusal) -> Self {
        use PackRefusal as R;
        match refusal {
            R::NameRequired => Self::NameRequired,
            R::NameTooLong => Self::NameTooLong,
            R::NameTaken { .. } => Self::NameTaken,
            R::NameNotEditable => Self::NameNotEditable,
            R::DescriptionTooLong => Self::DescriptionTooLong,
            R::SupportInfoInvalid { .. } => Self::SupportInfoInvalid,
            R::EmptyList => Self::EmptyList,
            R::PackFull => Self::PackFull,
            R::ComponentAlreadyInPack { .. } => Self::ComponentAlreadyInPack,
            R::ComponentNotInPack { .. } => Self::ComponentNotInPack,
            R::ComponentTypeNotAllowed { .. } => Self::ComponentTypeNotAllowed,
            R::ApiServiceInMulti { .. } => Self::ApiServiceInMulti,
            R::NoShareableVersion { .. } => Self::NoShareableVersion,
            R::NotShareable => Self::NotShareable,
            R::VersionDeleted => Self::VersionDeleted,
            R::VersionOfOtherComponent => Self::VersionOfOtherComponent,
            R::WrongDeploymentModel => Self::WrongDeploymentModel,
            R::MarkedForRemoval { .. } => Self::MarkedForRemoval,
            R::NotMarkedForRemoval { .. } => Self::NotMarkedForRemoval,
            R::NotPinned { .. } => Self::NotPinned,
            R::StaleRevision { .. } => Self::StaleRevision,
            R::ConfirmationRequired { .. } => Self::ConfirmationRequired,
            R::ConfirmationMismatch { .. } => Self::ConfirmationMismatch,
            R::ReleaseInProgress => Self::ReleaseInProgress,
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
            R::KeyTaken { .. } => Self::KeyTaken,
            R::KeyInvalid => Self::KeyInvalid,
        }
    }
}
