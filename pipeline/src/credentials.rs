//! The token of a request. In GitHub Actions and GitLab it can be a JWT of the pipeline, so that no secret is stored.

use hyper::Method;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::Failure;
use crate::http::{Request, send};

/// The message of a command that has no token.
const NONE: &str = "No token is given. Set PACKWRIGHT_TOKEN to an API token, or let the pipeline use its own: in GitHub \
                    Actions give the job `permissions: id-token: write`, in GitLab give it `id_tokens: \
                    PACKWRIGHT_ID_TOKEN: aud: …`.";

/// The source of the token.
#[derive(Clone)]
pub enum Credentials {
    /// An API token, or a JWT that the pipeline's service has put into a variable.
    Fixed(String),
    /// A JWT of GitHub Actions, which a job gets at this address with this secret.
    GitHub { url: Url, secret: String },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fixed(_) => "Fixed",
            Self::GitHub { .. } => "GitHub",
        })
    }
}

/// The answer of GitHub Actions.
#[derive(Deserialize)]
struct Given {
    value: String,
}

impl Credentials {
    /// Chooses the source: the `given` token, else the JWT in the variable PACKWRIGHT_ID_TOKEN, else GitHub Actions.
    /// `audience` is the audience that a JWT of GitHub Actions gets.
    ///
    /// # Errors
    /// When there is none of these.
    pub fn find(
        given: Option<String>,
        audience: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        if let Some(token) = given.or_else(|| variable("PACKWRIGHT_ID_TOKEN")) {
            return Ok(Self::Fixed(token.trim().to_owned()));
        }
        let (Some(url), Some(secret)) =
            (variable("ACTIONS_ID_TOKEN_REQUEST_URL"), variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
        else {
            return Err(Failure::coded("UNAUTHENTICATED", NONE));
        };
        let mut url = Url::parse(&url)
            .map_err(|error| Failure::new(format!("ACTIONS_ID_TOKEN_REQUEST_URL is no address: {error}.")))?;
        url.query_pairs_mut().append_pair("audience", audience);
        Ok(Self::GitHub { url, secret })
    }

    /// Whether there can be another token when the first one isn't accepted any more.
    pub(crate) fn can_renew(&self) -> bool {
        matches!(self, Self::GitHub { .. })
    }

    /// Gets a token.
    pub(crate) async fn get(&self, tls: &TlsConnector) -> Result<String, Failure> {
        let (url, secret) = match self {
            Self::Fixed(token) => return Ok(token.clone()),
            Self::GitHub { url, secret } => (url.clone(), secret),
        };
        let request = Request {
            method: Method::GET,
            url,
            accept: "application/json",
            headers: vec![("authorization", format!("Bearer {secret}"))],
            body: Bytes::new(),
        };
        let wrong = |why: String| Failure::passing(format!("GitHub Actions gave no token for this job: {why}."));
        let answer = send(tls, request).await.map_err(wrong)?;
        if !answer.status.is_success() {
            return Err(wrong(format!("the answer is {}", answer.status)));
        }
        let given: Given = serde_json::from_slice(&answer.body).map_err(|error| wrong(error.to_string()))?;
        Ok(given.value)
    }
}
