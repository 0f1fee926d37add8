//! What no request may exceed, and from where it must come.

use std::net::SocketAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use futures_util::StreamExt as _;

/// Why a body was not read.
pub(super) enum Unread {
    /// Longer than allowed.
    TooLarge,
    /// The client went away, or sent what is no body.
    Broken,
}

/// Reads a body of at most `limit` bytes, whether its length was announced or not.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(Unread::TooLarge);
    }
    let mut read = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if read.len() + chunk.len() > limit {
            return Err(Unread::TooLarge);
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// Which hosts a server goes by. A page of another host that has its name point here is refused
/// (DNS rebinding), before anything else is looked at.
pub(super) struct Hosts {
    /// `None` for a server that is called in its process.
    listener: Option<SocketAddr>,
    public: Vec<String>,
}

impl Hosts {
    pub(super) fn new(listener: Option<SocketAddr>, public: &[String]) -> Self {
        Self { listener, public: public.iter().map(|host| host.trim().to_ascii_lowercase()).collect() }
    }

    /// Whether the request names a host of ours: on a loopback listener `localhost`, `127.0.0.1` or
    /// `[::1]` with its port, and everywhere one of the public ones.
    pub(super) fn admits<B>(&self, request: &Request<B>) -> bool {
        let mut named = request.headers().get_all(header::HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host.to_str().ok(),
            (None, _) => return self.listener.is_none(),
            (Some(_), Some(_)) => None,
        };
        // A request line with a whole address must name the same host.
        let line = request.uri().authority().map(|authority| authority.as_str());
        host.is_some_and(|host| self.is_ours(host) && line.is_none_or(|line| line.eq_ignore_ascii_case(host)))
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => (name, port.parse::<u16>().ok()),
            _ => (host.as_str(), Some(80)),
        };
        let Some(port) = port else { return false };
        let loopback_name = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
        let on_loopback = match self.listener {
            None => true,
            Some(listener) => listener.ip().is_loopback() && listener.port() == port,
        };
        (loopback_name && on_loopback) || self.public.iter().any(|public| *public == host || public == name)
    }
}

/// Whether a request comes from a page of another site: a foreign `Origin`, compared whole with the
/// host that the request names, or a browser that says so.
pub(super) fn is_foreign(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get_all(name).iter().map(HeaderValue::to_str).collect::<Result<Vec<_>, _>>();
    if !matches!(says("sec-fetch-site").as_deref(), Ok([] | ["same-origin" | "same-site" | "none"])) {
        return true;
    }
    match (says("origin").as_deref(), says("host").as_deref()) {
        (Ok([]), _) => false,
        (Ok([origin]), Ok([host])) => {
            let ours = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            !ours.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        }
        _ => true,
    }
}
