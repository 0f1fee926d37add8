//! Requests of the server to URLs that users give, such as a webhook endpoint's. Each attempt resolves the host name,
//! checks every address, and connects to a checked address. So a DNS answer that changes in between can't lead the
//! request into a private network (R65). No proxy of the environment is used.

mod download;
mod exchange;
mod resolve;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use crate::domain::webhooks::{AllowedNetworks, Attempted, Destination, WebhookFailure};

pub(crate) use download::download;
pub use resolve::{Resolve, SystemResolver};
pub use tls::{Authority, authorities};
pub(crate) use tls::{connector, server_name};

/// The options of [`Outbound`].
#[derive(Clone)]
pub struct OutboundOptions {
    pub allowed: AllowedNetworks,
    pub resolver: Arc<dyn Resolve>,
    /// Certificates of authorities that are trusted in addition to Mozilla's list.
    pub authorities: Vec<Authority>,
    /// The time limit of an attempt, from the look-up of the name to the end of the answer.
    pub limit: Duration,
    /// An address is always refused after this time, whatever the reason. Otherwise a caller could learn the reason,
    /// and so the names in the server's network, from the time.
    pub refusal_after: Duration,
    /// How many requests may run at the same time.
    pub at_once: usize,
}

impl Default for OutboundOptions {
    fn default() -> Self {
        Self {
            allowed: AllowedNetworks::default(),
            resolver: Arc::new(SystemResolver::default()),
            authorities: Vec::new(),
            limit: Duration::from_secs(15),
            refusal_after: Duration::from_secs(3),
            at_once: 64,
        }
    }
}

/// The error for a host that isn't allowed or isn't found. A caller can't tell which, so that nobody can search the
/// server's network for names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllowed;

/// The client for requests to URLs that users give.
pub struct Outbound {
    options: OutboundOptions,
    tls: TlsConnector,
}

/// A request to send.
pub struct Request {
    /// Headers in addition to `Host`, `Content-Type`, `Connection` and `User-Agent`.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// The result of a request, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub attempted: Attempted,
    pub took: Duration,
}

/// The most time that one address may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The most time to connect for a document. Two documents must fit into the time limit for finding an issuer's keys.
const DOCUMENT_CONNECT_LIMIT: Duration = Duration::from_secs(2);

impl Outbound {
    /// A client with these options.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(options: OutboundOptions) -> Result<Self, String> {
        let tls = connector(&options.authorities)?;
        Ok(Self { options, tls })
    }

    #[must_use]
    pub fn options(&self) -> &OutboundOptions {
        &self.options
    }

    /// Finds the addresses of a destination, and checks that all of them are allowed.
    ///
    /// # Errors
    /// [`NotAllowed`], always after [`OutboundOptions::refusal_after`].
    pub async fn check(&self, destination: &Destination) -> Result<Vec<SocketAddr>, NotAllowed> {
        let end = Instant::now() + self.options.refusal_after;
        let found = match destination.literal() {
            Some(ip) => Ok(vec![ip]),
            None => timeout_at(end, self.options.resolver.resolve(destination.host())).await.unwrap_or(Ok(Vec::new())),
        };
        let addresses = found.unwrap_or_default();
        let permitted = |ip: &IpAddr| self.options.allowed.permit(*ip, destination);
        if addresses.is_empty() || !addresses.iter().all(permitted) {
            sleep_until(end).await;
            return Err(NotAllowed);
        }
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, destination.port())).collect())
    }

    /// Sends a request by POST, and waits for the answer at most for [`OutboundOptions::limit`].
    pub async fn post(&self, destination: &Destination, request: Request) -> Sent {
        let began = Instant::now();
        let failed = |failure| Attempted { status: None, failure: Some(failure), retry_after: None };
        let Ok(addresses) = self.check(destination).await else {
            return Sent { attempted: failed(WebhookFailure::Connection), took: self.options.refusal_after };
        };
        let end = began + self.options.limit;
        let exchanged = timeout_at(end, self.send(destination, &addresses, request, end)).await;
        let attempted = match exchanged {
            Ok(Some(attempted)) => attempted,
            Ok(None) => failed(WebhookFailure::Connection),
            Err(_) => failed(WebhookFailure::Timeout),
        };
        Sent { attempted, took: began.elapsed() }
    }

    /// Downloads a small JSON document by GET, without redirects.
    ///
    /// # Errors
    /// A text that says why the document wasn't downloaded.
    pub(crate) async fn get(&self, destination: &Destination) -> Result<Vec<u8>, String> {
        let end = Instant::now() + self.options.limit;
        let addresses = self.check(destination).await.map_err(|NotAllowed| {
            "the host isn't found, or isn't in a network that the server may reach (see --webhook-allow)".to_owned()
        })?;
        let got = timeout_at(end, async {
            let (url, accept) = (destination.url(), "application/json");
            let socket = connect(&addresses, DOCUMENT_CONNECT_LIMIT).await.ok_or("no connection was made")?;
            if !destination.is_https() {
                return download::exchange(url, accept, socket).await;
            }
            let name = server_name(destination.host()).ok_or("no certificate can name the host")?;
            let stream = self.tls.connect(name, socket).await.map_err(|error| error.to_string())?;
            download::exchange(url, accept, stream).await
        });
        got.await.map_err(|_| "the document did not arrive in time".to_owned())?
    }

    /// Sends a request to the first of `addresses` that accepts a connection. `None` if none does, or the connection
    /// broke.
    async fn send(
        &self,
        destination: &Destination,
        addresses: &[SocketAddr],
        request: Request,
        end: Instant,
    ) -> Option<Attempted> {
        let socket = connect(addresses, self.options.limit).await?;
        if !destination.is_https() {
            return exchange::post(destination.url(), socket, request, end).await;
        }
        let name = server_name(destination.host())?;
        let stream = self.tls.connect(name, socket).await.ok()?;
        exchange::post(destination.url(), stream, request, end).await
    }
}

/// A connection to the first address that accepts one. Each address has an equal share of the time, so that an address
/// that doesn't answer leaves time for the others.
async fn connect(addresses: &[SocketAddr], within: Duration) -> Option<TcpStream> {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let each = (within / count).min(CONNECT_LIMIT);
    for address in addresses {
        if let Ok(Ok(socket)) = timeout(each, TcpStream::connect(address)).await {
            // This fails only for a socket that is broken already; then the first write reports that.
            let _ = socket.set_nodelay(true);
            return Some(socket);
        }
    }
    None
}
