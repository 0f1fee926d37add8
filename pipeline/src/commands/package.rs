//! `packwright package`: packages a component under a label, once.

use serde_json::json;

use super::find;
use crate::operations::{Package, package as operation, spelled};
use crate::request_id::{Belonging, derived};
use crate::surroundings::Source;
use crate::{Api, Exit, Failure, Report};

/// A file that a package stands for: its address, and `sha256:` with its digest in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    pub uri: String,
    pub digest: String,
}

impl Artifact {
    /// Parses `URI=sha256:DIGITS`.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            "write URI=DIGEST, such as https://files.example.com/orders.zip=sha256:… with 64 hexadecimal digits";
        // Split at the last one, because an address can contain an equals sign.
        let (uri, digits) = text.rsplit_once("=sha256:").ok_or(wrong)?;
        let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if uri.is_empty() || !is_digest {
            return Err(wrong.to_owned());
        }
        Ok(Self { uri: uri.to_owned(), digest: format!("sha256:{}", digits.to_ascii_lowercase()) })
    }
}

/// The options of `packwright package`.
#[derive(Clone, Debug)]
pub struct PackageRequest {
    /// The key or the id of the component.
    pub component: String,
    pub label: String,
    pub is_shareable: bool,
    pub notes: Option<String>,
    pub artifacts: Vec<Artifact>,
    pub source: Source,
    /// The run or the commit for which the call is made. Without it the server doesn't recognize a repeated call.
    pub belongs_to: Option<Belonging>,
    /// A `clientRequestId` in place of the derived one.
    pub request_id: Option<String>,
}

impl PackageRequest {
    fn request_id(&self, component: &str) -> Option<String> {
        let artifacts = self.artifacts.iter().map(|artifact| format!("{}={}", artifact.uri, artifact.digest));
        let artifacts = artifacts.collect::<Vec<_>>().join("\n");
        let shareable = if self.is_shareable { "shareable" } else { "" };
        let arguments = [component, &self.label, shareable, self.notes.as_deref().unwrap_or_default(), &artifacts];
        let made = || self.belongs_to.as_ref().map(|run| derived(run, "package", &arguments));
        self.request_id.clone().or_else(made)
    }
}

/// Packages a component. If a package with the label exists and has the same commit, artifacts and shareable flag, it
/// is reported, and nothing changes.
///
/// # Errors
/// When a rule refuses, or a call fails.
pub async fn package(api: &mut Api, request: &PackageRequest) -> Result<Report, Failure> {
    let component = find::component(api, &request.component).await?;
    let artifact = |artifact: &Artifact| operation::ArtifactInput {
        uri: artifact.uri.clone(),
        digest: Some(artifact.digest.clone()),
        size: None,
        media_type: None,
    };
    let source = &request.source;
    let input = operation::PackageInput {
        component_id: component.id.clone(),
        version: Some(request.label.clone()),
        shareable: request.is_shareable,
        notes: request.notes.clone(),
        revision: None,
        extensibility: Vec::new(),
        manifest: Vec::new(),
        source: (!source.is_empty()).then(|| operation::SourceInput {
            commit: source.commit.clone(),
            ref_: source.reference.clone(),
            repository_url: source.repository_url.clone(),
            commit_url: source.commit_url.clone(),
            pull_request_url: source.pull_request_url.clone(),
            build_url: source.build_url.clone(),
        }),
        artifacts: request.artifacts.iter().map(artifact).collect(),
    };
    let input = operation::CreatePackagedComponentsInput {
        packages: vec![input],
        client_request_id: request.request_id(&component.id),
    };
    let answer = api.ask::<Package>(operation::Variables { input }).await?.create_packaged_components;
    let made = answer.packaged_components.into_iter().flatten().next();
    let (package, is_known) = match (made, answer.errors.into_iter().next()) {
        (Some(made), _) => (made, false),
        (None, Some(refusal)) => {
            let (code, message) = (spelled(&refusal.code), refusal.message);
            let taken_by = refusal.taken_by.filter(|taken| code == "VERSION_LABEL_TAKEN" && is_same(taken, request));
            (taken_by.ok_or_else(|| refused(&code, &message, request))?, true)
        }
        (None, None) => return Err(Failure::new("The server made no package and didn't say why.")),
    };
    let words = if is_known {
        format!(
            "{} {} was packaged before, from the same commit: nothing has changed.",
            component.name, package.version
        )
    } else {
        format!("{} {} is packaged.", component.name, package.version)
    };
    Ok(Report {
        lines: vec![format!("{} {}", package.id, package.version)],
        data: json!({ "packagedComponent": package, "component": component, "wasThere": is_known }),
        words: Some(words),
        exit: Exit::Done,
    })
}

/// Whether an existing package is the requested one. It isn't when either has no commit.
fn is_same(found: &operation::Made, request: &PackageRequest) -> bool {
    let commit = found.source.as_ref().and_then(|source| source.commit.as_ref());
    let same_commit = commit.zip(request.source.commit.as_ref()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    let mut has: Vec<_> =
        found.artifacts.iter().map(|artifact| (artifact.uri.as_str(), artifact.digest.as_deref())).collect();
    let mut asked: Vec<_> =
        request.artifacts.iter().map(|artifact| (artifact.uri.as_str(), Some(artifact.digest.as_str()))).collect();
    has.sort_unstable();
    asked.sort_unstable();
    same_commit && found.deleted_at.is_none() && found.shareable == request.is_shareable && has == asked
}

fn refused(code: &str, message: &str, request: &PackageRequest) -> Failure {
    let more = match code {
        "VERSION_LABEL_TAKEN" => {
            format!(" The label {} stands for another package: package under another --label.", request.label)
        }
        "CLIENT_REQUEST_ID_REUSED" => " This run has packaged something else under the same id.".to_owned(),
        _ => String::new(),
    };
    Failure::refused(code, format!("{message}{more}"))
}
