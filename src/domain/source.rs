//! Sources of packages and releases, and the artifacts of packages (R68).

use serde::{Deserialize, Serialize};

use crate::domain::refusal::Field;
use crate::domain::text::{self, ADDRESS_MAX, NAME_MAX};

/// The most digits of a commit.
const COMMIT_MAX: usize = 64;
/// The most artifacts of a package.
pub const ARTIFACTS_MAX: usize = 20;

/// The origin of a package, or of a release's content, in a version control and build system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    pub commit: Option<String>,
    /// A branch or tag.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub repository_url: Option<String>,
    pub commit_url: Option<String>,
    pub pull_request_url: Option<String>,
    pub build_url: Option<String>,
}

/// A file that a package represents. The server stores its address and digest, and never the file itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Artifact {
    pub uri: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
    /// In bytes.
    pub size: Option<i32>,
    pub media_type: Option<String>,
}

/// A malformed field of a source or an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// The path below the package, or below the release's input.
    pub field: Field,
    /// A sentence in English that says what to do.
    pub message: &'static str,
}

impl SourceFault {
    fn of(path: &[&str], message: &'static str) -> Self {
        Self { field: path.iter().map(|part| (*part).to_owned()).collect(), message }
    }
}

impl Source {
    /// Checks and normalizes a caller's source. `None` if it has no field.
    ///
    /// # Errors
    /// The first field at fault.
    pub fn checked(self) -> Result<Option<Self>, SourceFault> {
        let commit = self.commit.map(|commit| {
            let fits = (1..=COMMIT_MAX).contains(&commit.len()) && commit.bytes().all(|b| b.is_ascii_hexdigit());
            let fault = SourceFault::of(&["source", "commit"], "Give a commit of 1 to 64 hexadecimal digits.");
            fits.then_some(commit).ok_or(fault)
        });
        let reference = self.reference.map(|raw| {
            let fault = SourceFault::of(&["source", "ref"], "Give a branch or tag of 1 to 255 characters.");
            text::label(&raw, NAME_MAX).map_err(|_| fault)
        });
        let address = |raw: Option<String>, field: &str| raw.map(|raw| https(&raw, field)).transpose();
        let source = Self {
            commit: commit.transpose()?,
            reference: reference.transpose()?,
            repository_url: address(self.repository_url, "repositoryUrl")?,
            commit_url: address(self.commit_url, "commitUrl")?,
            pull_request_url: address(self.pull_request_url, "pullRequestUrl")?,
            build_url: address(self.build_url, "buildUrl")?,
        };
        Ok((source != Self::default()).then_some(source))
    }

    /// All texts of the source, so that callers can count their characters.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        [&self.commit, &self.reference, &self.repository_url, &self.commit_url, &self.pull_request_url, &self.build_url]
            .into_iter()
            .filter_map(|text| text.as_deref())
    }
}

/// Checks an address that must be of the scheme `https`.
fn https(raw: &str, field: &str) -> Result<String, SourceFault> {
    let found = text::address(raw).ok().filter(|address| address.starts_with("https://"));
    found.ok_or_else(|| {
        let message = "Give an absolute https address of at most 2,000 characters, with a host, without a user, quotes, blanks and backslashes.";
        SourceFault::of(&["source", field], message)
    })
}

impl Artifact {
    /// Checks and normalizes a package's artifacts.
    ///
    /// # Errors
    /// The first field at fault.
    pub fn all_checked(artifacts: Vec<Self>) -> Result<Vec<Self>, SourceFault> {
        if artifacts.len() > ARTIFACTS_MAX {
            return Err(SourceFault::of(&["artifacts"], "Name at most 20 artifacts of a package."));
        }
        artifacts.into_iter().enumerate().map(|(index, artifact)| artifact.checked(&index.to_string())).collect()
    }

    fn checked(self, index: &str) -> Result<Self, SourceFault> {
        let fault = |field: &str, message| Err(SourceFault::of(&["artifacts", index, field], message));
        let short = self.uri.chars().count() <= ADDRESS_MAX;
        if !short
            || self.uri.contains(|c: char| c.is_control() || c.is_whitespace())
            || url::Url::parse(&self.uri).is_err()
        {
            return fault("uri", "Give a URI with its scheme, of at most 2,000 characters without blanks.");
        }
        let digest = match self.digest.as_deref().map(normal_digest) {
            Some(None) => {
                return fault("digest", "Give a digest of sha256: and 64 hexadecimal digits, or leave it out.");
            }
            other => other.flatten(),
        };
        if self.size.is_some_and(|size| size < 0) {
            return fault("size", "Give a size of 0 bytes or more, or leave it out.");
        }
        if self.media_type.as_deref().is_some_and(|media_type| !is_media_type(media_type)) {
            return fault("mediaType", "Give a media type such as application/zip, or leave it out.");
        }
        Ok(Self { digest, ..self })
    }

    /// All texts of the artifact, so that callers can count their characters.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.uri.as_str()).chain(self.digest.as_deref()).chain(self.media_type.as_deref())
    }
}

/// A digest in lower case, so that equal digests are equal texts. `None` if the text isn't a digest.
fn normal_digest(digest: &str) -> Option<String> {
    let digits = digest.strip_prefix("sha256:")?;
    let fits = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then(|| digest.to_ascii_lowercase())
}

/// Whether a text is a type and a subtype, as RFC 6838 restricts them.
fn is_media_type(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    let is_name = |name: &str| (1..=127).contains(&name.len()) && name.bytes().all(fits);
    text.split_once('/').is_some_and(|(name, subtype)| is_name(name) && is_name(subtype))
}
