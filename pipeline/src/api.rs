//! Calls to the server, over GraphQL.

use std::time::Duration;

use graphql_client::{GraphQLQuery, Response as GraphqlResponse};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::http::{Opened, Request, open, send};
use crate::{Credentials, Failure};

/// How often a call is tried, and the pause before the second time; each further pause is twice as long.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two tries, even if the server asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The address of a server.
#[derive(Clone, Debug)]
pub struct ServerAddress(Url);

impl ServerAddress {
    /// Parses an address, with or without the path `/graphql`.
    ///
    /// # Errors
    /// A sentence that says which address is right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write the address at which Packwright is served, such as https://packs.example.com";
        let mut url = Url::parse(text.trim()).map_err(|_| example.to_owned())?;
        let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
        if !is_web || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(example.to_owned());
        }
        let path = url.path().trim_end_matches('/').trim_end_matches("/graphql").to_owned();
        url.set_path(&format!("{path}/graphql"));
        Ok(Self(url))
    }

    /// The host, and the port if it isn't the usual one. A server takes it as the audience of JWTs unless its operator
    /// names another.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.0[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// Whether requests are sent without TLS over a network, where others can read them.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let is_here = match self.0.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.0.scheme() == "http" && !is_here
    }

    fn stream(&self) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/stream", self.0.path()));
        url
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches("/graphql"))
    }
}

/// A connection to a server on behalf of an account.
pub struct Api {
    server: ServerAddress,
    credentials: Credentials,
    /// The account for which a trusted pipeline acts, if several trust it.
    account: Option<String>,
    tls: TlsConnector,
    /// The token of the last call; `None` if the next call must get one.
    token: Option<String>,
}

impl Api {
    #[must_use]
    pub fn new(server: ServerAddress, credentials: Credentials, account: Option<String>, tls: TlsConnector) -> Self {
        Self { server, credentials, account, tls, token: None }
    }

    /// The address of the server.
    #[must_use]
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// Executes a query or a mutation, and returns its data. When the server can't be reached it is tried again, so the
    /// operation must be safe to repeat.
    pub(crate) async fn ask<Q: GraphQLQuery>(&mut self, variables: Q::Variables) -> Result<Q::ResponseData, Failure> {
        let body = body::<Q>(variables)?;
        let mut pause = FIRST_PAUSE;
        let mut tries = 1;
        loop {
            let (failure, asked) = match self.ask_once::<Q>(&body).await {
                Ok(data) => return Ok(data),
                Err(refused) => refused,
            };
            if !failure.is_passing || tries == TRIES {
                return Err(failure);
            }
            tokio::time::sleep(asked.unwrap_or(pause).min(PAUSE_MAX)).await;
            pause *= 2;
            tries += 1;
        }
    }

    /// Executes an operation once, or twice if the token must be renewed. A failure comes with the pause that the
    /// server asks for.
    async fn ask_once<Q: GraphQLQuery>(
        &mut self,
        body: &Bytes,
    ) -> Result<Q::ResponseData, (Failure, Option<Duration>)> {
        let mut may_renew = self.token.is_some() && self.credentials.can_renew();
        loop {
            let request = self.request(self.server.0.clone(), "application/graphql-response+json", body).await;
            let request = request.map_err(|failure| (failure, None))?;
            let answer = send(&self.tls, request).await.map_err(|why| (self.unreachable(&why), None))?;
            let asked = pause_of(&answer.headers);
            let failure = match self.read::<Q>(answer.status, &answer.headers, &answer.body) {
                Ok(data) => return Ok(data),
                Err(failure) => failure,
            };
            if !(may_renew && failure.has_code("UNAUTHENTICATED")) {
                return Err((failure, asked));
            }
            may_renew = false;
            self.token = None;
        }
    }

    /// Starts a subscription. Its answers are server-sent events in the body.
    pub(crate) async fn subscribe<Q: GraphQLQuery>(&mut self, variables: Q::Variables) -> Result<Opened, Failure> {
        let request = self.request(self.server.stream(), "text/event-stream", &body::<Q>(variables)?).await?;
        let opened = open(&self.tls, request).await.map_err(|why| self.unreachable(&why))?;
        if is_of_type(opened.answer.headers(), "text/event-stream") {
            return Ok(opened);
        }
        let answer = opened.read().await.map_err(|why| self.unreachable(&why))?;
        match self.read::<Q>(answer.status, &answer.headers, &answer.body) {
            Err(failure) => Err(failure),
            Ok(_) => Err(self.not_packwright(answer.status)),
        }
    }

    /// The data of a subscription's answer, from the JSON of a server-sent event.
    pub(crate) fn read_event<Q: GraphQLQuery>(&self, data: &str) -> Result<Q::ResponseData, Failure> {
        let answer: GraphqlResponse<Q::ResponseData> =
            serde_json::from_str(data).map_err(|error| self.unexpected(&error.to_string()))?;
        self.of_answer(answer)
    }

    /// Drops the token, so that the next call gets another one. Returns whether it can get one.
    pub(crate) fn renew(&mut self) -> bool {
        self.token.take().is_some() && self.credentials.can_renew()
    }

    async fn request(&mut self, url: Url, accept: &'static str, body: &Bytes) -> Result<Request, Failure> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => self.credentials.get(&self.tls).await?,
        };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "The token is empty or has characters that no token has: give the whole token, and nothing else.";
            return Err(Failure::coded("UNAUTHENTICATED", why));
        }
        let mut headers = vec![("authorization", format!("Bearer {token}"))];
        headers.extend(self.account.clone().map(|account| ("x-packwright-account", account)));
        self.token = Some(token);
        Ok(Request { method: Method::POST, url, accept, headers, body: body.clone() })
    }

    fn read<Q: GraphQLQuery>(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Q::ResponseData, Failure> {
        if status.is_redirection() {
            let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("another address");
            return Err(Failure::new(format!("The server redirects from {} to {to}: give that address.", self.server)));
        }
        // Packwright answers with JSON that has `data` or `errors`. Anything else comes from a proxy or another server.
        match serde_json::from_slice::<Value>(body)
            .ok()
            .filter(|json| json.get("data").or(json.get("errors")).is_some())
        {
            None if matches!(status.as_u16(), 429 | 502..=504) => {
                Err(Failure::passing(format!("The server {} can't be reached now: {status}.", self.server)))
            }
            None => Err(self.not_packwright(status)),
            Some(json) => {
                let answer = serde_json::from_value(json).map_err(|error| self.unexpected(&error.to_string()))?;
                self.of_answer(answer)
            }
        }
    }

    /// The data of an answer. Any error fails the call, except that an object wasn't found where there is data, too.
    fn of_answer<D>(&self, answer: GraphqlResponse<D>) -> Result<D, Failure> {
        let errors = answer.errors.unwrap_or_default();
        let coded = |error: &graphql_client::Error| {
            let code = error.extensions.as_ref().and_then(|more| more.get("code")).and_then(Value::as_str);
            (code.unwrap_or("INTERNAL_SERVER_ERROR").to_owned(), error.message.clone())
        };
        let mut coded: Vec<_> = errors.iter().map(coded).collect();
        // The queries that find an object ask by its key and by its id at once, and one of them is enough.
        coded.retain(|(code, _)| answer.data.is_none() || code != "NOT_FOUND");
        match (coded.into_iter().next(), answer.data) {
            (Some((code, message)), _) => Err(self.failure(&code, &message)),
            (None, Some(data)) => Ok(data),
            (None, None) => Err(self.unexpected("it has neither data nor errors")),
        }
    }

    fn failure(&self, code: &str, message: &str) -> Failure {
        let what_to_do = match code {
            "UNAUTHENTICATED" => format!(
                "{} doesn't accept the token: {message} The options are --token (PACKWRIGHT_TOKEN), and for a pipeline's \
                 own token --audience and --account.",
                self.server
            ),
            "FORBIDDEN" => {
                format!("The token may not do this: {message} `packwright whoami` shows its account and its role.")
            }
            "GRAPHQL_VALIDATION_FAILED" => {
                format!("{} doesn't know this operation ({message}): use the command of its own version.", self.server)
            }
            _ => message.to_owned(),
        };
        let is_passing = matches!(code, "UNAVAILABLE" | "RATE_LIMITED" | "TIMEOUT");
        Failure { is_passing, ..Failure::coded(code, what_to_do) }
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::passing(format!(
            "{} can't be reached: {why}. Check --server (PACKWRIGHT_SERVER), and that the server runs.",
            self.server
        ))
    }

    fn not_packwright(&self, status: StatusCode) -> Failure {
        Failure::new(format!(
            "The server at {} isn't Packwright: it answered {status}. Check --server (PACKWRIGHT_SERVER): it is the \
             address at which /graphql is served.",
            self.server
        ))
    }

    fn unexpected(&self, why: &str) -> Failure {
        Failure::new(format!("{} gave an answer that this version can't read: {why}.", self.server))
    }
}

fn body<Q: GraphQLQuery>(variables: Q::Variables) -> Result<Bytes, Failure> {
    let body = serde_json::to_vec(&Q::build_query(variables));
    body.map(Bytes::from).map_err(|error| Failure::new(format!("A call can't be written: {error}.")))
}

/// The pause that the server asks for, in whole seconds.
fn pause_of(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn is_of_type(headers: &HeaderMap, media: &str) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|of| of.to_str().ok()).is_some_and(|of| of.starts_with(media))
}
