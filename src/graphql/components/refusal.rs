use async_graphql::{Context, Enum, Object, Result};

use crate::domain::components::PackagingRefusal;
use crate::domain::refusal::Refusal as _;
use crate::graphql::components::packaged_component::PackagedComponent;
use crate::graphql::packs::IntegrationPack;
use crate::graphql::refusals::all;

/// The error when changing components, or making, deleting or publishing packages was refused.
#[derive(Clone, Debug)]
pub struct PackagingError(PackagingRefusal);

impl From<PackagingRefusal> for PackagingError {
    fn from(refusal: PackagingRefusal) -> Self {
        Self(refusal)
    }
}

/// The error when changing components, or making, deleting or publishing packages was refused.
#[Object]
impl PackagingError {
    /// The rule that refused.
    pub async fn code(&self) -> PackagingErrorCode {
        PackagingErrorCode::from(&self.0)
    }

    /// A sentence in English that says what to do.
    pub async fn message(&self) -> String {
        self.0.message()
    }

    /// The path into `input`; null when no one field is at fault.
    pub async fn field(&self) -> Option<Vec<String>> {
        self.0.field()
    }

    /// The packs that use the package, for PACKAGE_IN_USE; by name, at most 100.
    async fn packs(&self, ctx: &Context<'_>) -> Result<Option<Vec<IntegrationPack>>> {
        let holding = match &self.0 {
            PackagingRefusal::PackageInUse { packs, .. } => Some(packs.as_slice()),
            _ => None,
        };
        all(holding, |id| IntegrationPack::by_id(ctx, id)).await
    }

    /// The package that has the label, for VERSION_LABEL_TAKEN.
    async fn taken_by(&self, ctx: &Context<'_>) -> Result<Option<PackagedComponent>> {
        match self.0 {
            PackagingRefusal::VersionLabelTaken { taken_by: Some(id), .. } => PackagedComponent::by_id(ctx, id).await,
            _ => Ok(None),
        }
    }
}

/// The reasons to refuse making, deleting or publishing packages.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackagingErrorCode {
    /// The name is empty.
    NameRequired,
    /// The name is longer than 255 characters.
    NameTooLong,
    /// The label is empty or longer than 64 characters.
    VersionLabelInvalid,
    /// Give a label: the next number would be longer than 64 characters.
    VersionLabelRequired,
    /// A package of the component has the label, deleted or not.
    VersionLabelTaken,
    /// The notes are longer than 4,000 characters.
    NotesTooLong,
    /// A component of this type can't be shared.
    TypeNotShareable,
    /// The manifest holds a process route.
    ProcessRouteNotShareable,
    /// The manifest names a component twice, or has a bad revision or setting.
    ManifestInvalid,
    /// The list is empty.
    EmptyList,
    /// More than 250 packages, or more within them than one call may hold.
    TooMany,
    /// A pack's current version or pending release, a pinned draft row, or the process library holds it.
    PackageInUse,
    /// It is deleted already.
    AlreadyDeleted,
    /// It isn't deleted.
    NotDeleted,
    /// The same ID came with another input.
    ClientRequestIdReused,
    /// It has packages or publications, or is in a manifest; or, for another name, a version of it was in a pack's version.
    ComponentInUse,
    /// The key is in use by another component of the account.
    KeyTaken,
    /// A key has 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`.
    KeyInvalid,
    /// A field of a source or of an artifact isn't what it must be.
    SourceInvalid,
}

impl From<&PackagingRefusal> for PackagingErrorCode {
    fn from(refusal: &PackagingRefusal) -> Self {
        use PackagingRefusal as R;
        match refusal {
            R::NameRequired => Self::NameRequired,
            R::NameTooLong => Self::NameTooLong,
            R::VersionLabelInvalid { .. } => Self::VersionLabelInvalid,
            R::VersionLabelRequired { .. } => Self::VersionLabelRequired,
            R::VersionLabelTaken { .. } => Self::VersionLabelTaken,
            R::NotesTooLong { .. } | R::PublicationNotesTooLong => Self::NotesTooLong,
            R::TypeNotShareable { .. } | R::ComponentNotShareable => Self::TypeNotShareable,
            R::ProcessRouteNotShareable { .. } => Self::ProcessRouteNotShareable,
            R::ManifestInvalid { .. } => Self::ManifestInvalid,
            R::EmptyList => Self::EmptyList,
            R::TooMany | R::TooMuch => Self::TooMany,
            R::PackageInUse { .. } => Self::PackageInUse,
            R::AlreadyDeleted => Self::AlreadyDeleted,
            R::NotDeleted => Self::NotDeleted,
            R::ComponentReleased | R::ComponentInUse => Self::ComponentInUse,
            R::KeyTaken => Self::KeyTaken,
            R::KeyInvalid => Self::KeyInvalid,
            R::SourceInvalid { .. } => Self::SourceInvalid,
            R::ClientRequestIdReused => Self::ClientRequestIdReused,
        }
    }
}
