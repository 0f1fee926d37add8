use crate::domain::id::{ComponentVersionId, PackId};
use crate::domain::own_key::KEY_INVALID;
use crate::domain::refusal::{Field, REUSED, Refusal, path};
use crate::domain::source::SourceFault;

/// Why creating, deleting or restoring packages or publications was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PackagingRefusal {
    NameRequired,
    NameTooLong,
    VersionLabelInvalid {
        index: usize,
    },
    VersionLabelRequired {
        index: usize,
    },
    VersionLabelTaken {
        index: usize,
        taken_by: Option<ComponentVersionId>,
    },
    NotesTooLong {
        index: usize,
    },
    /// The notes of a publication, which isn't in a list and so has no index.
    PublicationNotesTooLong,
    TypeNotShareable {
        index: usize,
    },
    /// The component can't be published (R52).
    ComponentNotShareable,
    ProcessRouteNotShareable {
        index: usize,
    },
    ManifestInvalid {
        index: usize,
        why: String,
    },
    /// A field of a package's source or artifacts is malformed (R68).
    SourceInvalid {
        index: usize,
        fault: SourceFault,
    },
    EmptyList,
    TooMany,
    /// The packages of the call together are over a limit on manifests, settings or characters.
    TooMuch,
    /// Carries the packs that contain the package, by name, and whether the process library contains it.
    PackageInUse {
        packs: Vec<PackId>,
        in_library: bool,
    },
    AlreadyDeleted,
    NotDeleted,
    /// The component can't be renamed: a version of it is or was in a pack's version (R69).
    ComponentReleased,
    /// The component can't be deleted: it has packages or publications, or is in a manifest (R69).
    ComponentInUse,
    KeyTaken,
    KeyInvalid,
    ClientRequestIdReused,
}

impl Refusal for PackagingRefusal {
    fn message(&self) -> String {
        match self {
            Self::NameRequired => "Give the component a name.".into(),
            Self::NameTooLong => "Shorten the name to 255 characters.".into(),
            Self::VersionLabelInvalid { .. } => "Give a version label of 1 to 64 characters, or leave it out.".into(),
            Self::VersionLabelRequired { .. } => {
                "The next number after the component's highest label would be longer than 64 characters; give a version label.".into()
            }
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
            Self::SourceInvalid { fault, .. } => fault.message.into(),
            Self::EmptyList => "Name at least one package to make.".into(),
            Self::TooMany => "Make at most 250 packages in one call.".into(),
            Self::TooMuch => {
                "Make fewer packages in one call: together they may have 25,000 components in their manifests, 100,000 settings, and 1,250,000 characters of notes, settings' names, sources and artifacts.".into()
            }
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
            Self::ComponentReleased => {
                "A version of the component is or was in a version of a pack, so its name stays; make another component.".into()
            }
            Self::ComponentInUse => {
                "The component has packages or publications, deleted ones included, or a package of another component holds it; it can't be deleted.".into()
            }
            Self::KeyTaken => "Another of your components has this key; choose another.".into(),
            Self::KeyInvalid => KEY_INVALID.into(),
            Self::ClientRequestIdReused => REUSED.into(),
        }
    }

    fn field(&self) -> Option<Field> {
        let package = |index: &usize, field: &str| path(&["packages", &index.to_string(), field]);
        match self {
            Self::NameRequired | Self::NameTooLong => path(&["name"]),
            Self::VersionLabelInvalid { index }
            | Self::VersionLabelRequired { index }
            | Self::VersionLabelTaken { index, .. } => package(index, "version"),
            Self::NotesTooLong { index } => package(index, "notes"),
            Self::TypeNotShareable { index } => package(index, "shareable"),
            Self::ComponentNotShareable => path(&["componentId"]),
            Self::PublicationNotesTooLong => path(&["notes"]),
            Self::ProcessRouteNotShareable { index } | Self::ManifestInvalid { index, .. } => {
                package(index, "manifest")
            }
            Self::SourceInvalid { index, fault } => {
                Some(["packages".to_owned(), index.to_string()].into_iter().chain(fault.field.clone()).collect())
            }
            Self::EmptyList | Self::TooMany | Self::TooMuch => path(&["packages"]),
            Self::PackageInUse { .. } | Self::AlreadyDeleted | Self::NotDeleted => path(&["packagedComponentId"]),
            Self::ComponentReleased => path(&["name"]),
            Self::ComponentInUse => path(&["componentId"]),
            Self::KeyTaken | Self::KeyInvalid => path(&["key"]),
            Self::ClientRequestIdReused => path(&["clientRequestId"]),
        }
    }
}
