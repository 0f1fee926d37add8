//! Checks the host of requests, and the origins of the web pages that send them.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::gate::shortened;

use super::accept::Media;
use super::connections::Client;
use super::refusals::Reason;
use super::reply::{EXPOSED, Refused};
use super::router::HttpState;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The most characters of a host or an origin that a refusal repeats.
const SHOWN_MAX: usize = 100;
/// How long a browser may cache the answer to a preflight request, in seconds.
const PREFLIGHT_KEPT: &str = "600";

/// The host names of the server. Requests with another `Host` are refused first of all, which prevents DNS rebinding: a
/// foreign page whose name was made to point to this server.
pub(super) struct Hosts {
    /// `None` for a server that is called within the process.
    listener: Option<SocketAddr>,
    public: Vec<String>,
}

impl Hosts {
    pub(super) fn new(listener: Option<SocketAddr>, public: &[String]) -> Self {
        Self { listener, public: public.iter().map(|host| host.trim().to_ascii_lowercase()).collect() }
    }

    /// Whether the request's host is the server's: one of the public hosts, or on a loopback listener `localhost`,
    /// `127.0.0.1` or `[::1]` with the listener's port.
    pub(super) fn admits<B>(&self, request: &Request<B>) -> bool {
        let mut named = request.headers().get_all(header::HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, _) => return self.listener.is_none(),
            (Some(_), Some(_)) => None,
        };
        // An absolute address in the request line must have the same host.
        let line = request.uri().authority().map(|authority| authority.as_str());
        host.is_some_and(|host| self.is_ours(host) && line.is_none_or(|line| line.eq_ignore_ascii_case(host)))
    }

    /// The refusal of a request with a wrong host. It says which host was sent, and which option allows it.
    pub(super) fn refusal<B>(&self, request: &Request<B>) -> String {
        let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
        let [host] = hosts[..] else {
            return format!("The request names {} hosts; send one `Host` header.", hosts.len());
        };
        let host = shown(host);
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        format!(
            "The server isn't configured for the host `{host}`. If clients reach it by that name, start it with `--public-host {name}`; a proxy before it must pass on the client's `Host`."
        )
    }

    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse::<u16>().ok()),
            _ => (host, Some(80)),
        };
        let Some(port) = port else { return false };
        let loopback_name = ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| known.eq_ignore_ascii_case(name));
        let on_loopback = match self.listener {
            None => true,
            Some(listener) => listener.ip().is_loopback() && listener.port() == port,
        };
        (loopback_name && on_loopback)
            || self.public.iter().any(|public| public.eq_ignore_ascii_case(host) || public.eq_ignore_ascii_case(name))
    }
}

/// The other origins whose pages may call the server.
pub(super) struct Origins {
    any: bool,
    listed: Vec<String>,
}

/// The origin of a request, from the server's view.
#[derive(Debug, PartialEq, Eq)]
enum Sender {
    /// No page, or one from the server's own origin.
    Own,
    /// A page of another origin that may call the server.
    Allowed,
    Foreign,
}

impl Origins {
    /// The configured origins; `*` allows all.
    pub(super) fn new(configured: &[String]) -> Self {
        let any = configured.iter().any(|origin| origin.trim() == "*");
        let listed = configured.iter().map(|origin| normal(origin.trim().trim_end_matches('/'))).collect();
        Self { any, listed }
    }

    fn is_off(&self) -> bool {
        !self.any && self.listed.is_empty()
    }

    /// Classifies a request by `Origin` and `Sec-Fetch-Site`. The whole `Origin` is compared with the request's host.
    fn sender(&self, headers: &HeaderMap) -> Sender {
        if !headers.contains_key(header::ORIGIN) && !headers.contains_key(FETCH_SITE) {
            return Sender::Own;
        }
        let value_of =
            |name: HeaderName| headers.get_all(name).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
        let by_same_site = matches!(value_of(FETCH_SITE).as_deref(), Ok([] | ["same-origin" | "same-site" | "none"]));
        match (value_of(header::ORIGIN).as_deref(), value_of(header::HOST).as_deref()) {
            (Ok([]), _) if by_same_site => Sender::Own,
            (Ok([origin]), Ok([host])) if by_same_site && is_of_host(origin, host) => Sender::Own,
            (Ok([origin]), _) if self.any || self.listed.contains(&normal(origin)) => Sender::Allowed,
            _ => Sender::Foreign,
        }
    }

    /// The refusal of a foreign page. It says which origin was sent, and which option allows it.
    fn refusal(headers: &HeaderMap) -> String {
        let origins: Vec<_> = headers.get_all(header::ORIGIN).iter().collect();
        match origins[..] {
            [] => "The request comes from a page of another site, as its `Sec-Fetch-Site` says, and names no `Origin` that could be let in.".into(),
            [origin] if origin == "null" => {
                "The request comes from a page without an origin, such as a file; serve the page from a server, and list that one's origin with `--cors-origin`.".into()
            }
            [origin] => {
                let origin = shown(origin);
                let host = headers.get(header::HOST).map(shown).unwrap_or_default();
                format!(
                    "The request comes from a page of the origin `{origin}`, and was sent to the host `{host}`. If that page may call the server, start it with `--cors-origin {origin}`; if it is the server's own, the proxy before it must pass on the client's `Host`."
                )
            }
            _ => "The request names more than one `Origin`.".into(),
        }
    }

    /// Adds the headers by which a browser lets a page read the answer. A listed origin may send credentials, all
    /// origins may not: the server doesn't use the credentials that a browser adds by itself.
    fn add_headers(&self, sender: &Sender, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.is_off() {
            return;
        }
        if !self.any {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let (Sender::Allowed, Some(origin)) = (sender, origin) else { return };
        if self.any {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
}

/// A header's value for a message, shortened.
fn shown(value: &HeaderValue) -> String {
    shortened(String::from_utf8_lossy(value.as_bytes()).into_owned(), SHOWN_MAX)
}

/// Whether an origin belongs to the request's host. Both schemes count, because only a proxy knows whether TLS is used.
fn is_of_host(origin: &str, host: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        let named = |text: &str| text.to_ascii_lowercase().starts_with(scheme);
        named(origin) && normal(origin) == normal(&format!("{scheme}{host}"))
    })
}

/// An origin in lower case, without its scheme's default port.
fn normal(origin: &str) -> String {
    let origin = origin.to_ascii_lowercase();
    let usual = match origin.split_once("://") {
        Some(("http", host)) => host.strip_suffix(":80").map(|host| format!("http://{host}")),
        Some(("https", host)) => host.strip_suffix(":443").map(|host| format!("https://{host}")),
        _ => None,
    };
    usual.unwrap_or(origin)
}

/// Refuses requests from foreign pages, answers preflight requests, and adds the CORS headers. All other requests are
/// answered by `answer`.
pub(super) async fn cross_site<F: Future<Output = Response>>(
    state: &HttpState,
    request: Request<Body>,
    answer: impl FnOnce(Request<Body>) -> F,
) -> Response {
    let origins = &state.origins;
    let sender = origins.sender(request.headers());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match sender {
        Sender::Foreign => {
            let media = Media::preferred(request.headers()).unwrap_or(Media::Json);
            let message = Origins::refusal(request.headers());
            let peer = request.extensions().get::<Client>().map(|client| client.address);
            state.refusals.note(Reason::Origin, peer, &message);
            Refused::new(StatusCode::FORBIDDEN, "FORBIDDEN", message).reply(media)
        }
        Sender::Allowed if is_preflight(&request) => preflight(request.headers()),
        _ => answer(request).await,
    };
    origins.add_headers(&sender, origin, response.headers_mut());
    response
}

fn is_preflight(request: &Request<Body>) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight request. A page may send any headers, because unknown ones have no effect.
fn preflight(headers: &HeaderMap) -> Response {
    let mut response = (
        StatusCode::NO_CONTENT,
        [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_KEPT),
            (header::VARY, "Access-Control-Request-Method, Access-Control-Request-Headers"),
        ],
    )
        .into_response();
    if let Some(requested) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    response
}
