//! Where packages and releases come from, and what packages stand for (R68).

use async_graphql::{InputObject, SimpleObject};

use crate::domain::source as domain;
use crate::graphql::scalars::Uri;

/// The origin of a package, or of a release's content.
#[derive(InputObject)]
pub(in crate::graphql) struct SourceInput {
    /// 1 to 64 hexadecimal digits.
    commit: Option<String>,
    /// A branch or tag: up to 255 characters.
    r#ref: Option<String>,
    /// The repository: an https address.
    repository_url: Option<Uri>,
    /// The commit: an https address.
    commit_url: Option<Uri>,
    /// The pull request: an https address.
    pull_request_url: Option<Uri>,
    /// The run that built it: an https address.
    build_url: Option<Uri>,
}

impl From<SourceInput> for domain::Source {
    fn from(input: SourceInput) -> Self {
        Self {
            commit: input.commit,
            reference: input.r#ref,
            repository_url: input.repository_url.map(|url| url.0),
            commit_url: input.commit_url.map(|url| url.0),
            pull_request_url: input.pull_request_url.map(|url| url.0),
            build_url: input.build_url.map(|url| url.0),
        }
    }
}

/// The origin of a package, or of a release's content.
#[derive(SimpleObject)]
pub struct Source {
    /// 1 to 64 hexadecimal digits.
    commit: Option<String>,
    /// A branch or tag.
    r#ref: Option<String>,
    /// The repository.
    repository_url: Option<Uri>,
    /// The commit.
    commit_url: Option<Uri>,
    /// The pull request.
    pull_request_url: Option<Uri>,
    /// The run that built it.
    build_url: Option<Uri>,
}

impl From<domain::Source> for Source {
    fn from(source: domain::Source) -> Self {
        Self {
            commit: source.commit,
            r#ref: source.reference,
            repository_url: source.repository_url.map(Uri),
            commit_url: source.commit_url.map(Uri),
            pull_request_url: source.pull_request_url.map(Uri),
            build_url: source.build_url.map(Uri),
        }
    }
}

/// A thing that a package stands for. Packwright keeps the record; the bits lie at the address.
#[derive(InputObject)]
pub(in crate::graphql) struct ArtifactInput {
    /// The address: up to 2,000 characters, of any scheme.
    uri: String,
    /// `sha256:` and 64 hexadecimal digits.
    digest: Option<String>,
    /// The size in bytes.
    size: Option<i32>,
    /// The media type, such as application/zip.
    media_type: Option<String>,
}

impl From<ArtifactInput> for domain::Artifact {
    fn from(input: ArtifactInput) -> Self {
        Self { uri: input.uri, digest: input.digest, size: input.size, media_type: input.media_type }
    }
}

/// A thing that a package stands for.
#[derive(SimpleObject)]
pub struct Artifact {
    /// The address.
    uri: String,
    /// `sha256:` and 64 hexadecimal digits; null when none was given.
    digest: Option<String>,
    /// The size in bytes; null when none was given.
    size: Option<i32>,
    /// The media type; null when none was given.
    media_type: Option<String>,
}

impl From<&domain::Artifact> for Artifact {
    fn from(artifact: &domain::Artifact) -> Self {
        let domain::Artifact { uri, digest, size, media_type } = artifact.clone();
        Self { uri, digest, size, media_type }
    }
}
