//! Requests of the server to addresses that others name. Each attempt resolves the name, checks every address, and
//! connects to the one that was checked, so that a name can't lead to another place in between (R65). Nothing of the
//! environment, such as a proxy, changes where a request goes.

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

/// The options of requests to others.
#[derive(Clone)]
pub struct OutboundOptions {
    pub allowed: AllowedNetworks,
    pub resolver: Arc<dyn Resolve>,
    /// The authorities whose certificates are trusted beside those of Mozilla's list.
    pub authorities: Vec<Authority>,
    /// The time limit of an attempt, from the look-up of the name to the end of the answer.
    pub limit: Duration,
    /// When an address is refused: always after the same time, whatever the reason, so that the time tells nothing.
    pub refusal_after: Duration,
    /// How many requests run at a time.
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

/// An address that isn't allowed, or isn't found: there is no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAllowed;

/// The client for such requests.
pub struct Outbound {
    options: OutboundOptions,
    tls: TlsConnector,
}

/// A request to send.
pub struct Request {
    /// Headers beside those of HTTP itself.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// The result of a request, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub attempted: Attempted,
    pub took: Duration,
}

/// A connection isn't waited for longer than this while other addresses are left.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a connection for a document may take, so that two documents fit into the time in which an issuer's keys are
/// found.
const DOCUMENT_CONNECT_LIMIT: Duration = Duration::from_secs(2);

impl Outbound {
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

    /// Finds the addresses of a destination, all of which are allowed.
    ///
    /// # Errors
    /// [`NotAllowed`], after the same time whatever the reason.
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

    /// Sends a request by POST.
    pub async fn post(&self, destination: &Destination, request: Request) -> Sent {
        let began = Instant::now();
        let failed = |failure| Attempted { status: None, failure: Some(failure), retry_after: None };
        let Ok(addresses) = self.check(destination).await else {
            return Sent { attempted: failed(WebhookFailure::Connection), took: self.options.refusal_after };
        };
        let exchanged = timeout_at(began + self.options.limit, self.send(destination, &addresses, request)).await;
        let attempted = match exchanged {
            Ok(Some(attempted)) => attempted,
            Ok(None) => failed(WebhookFailure::Connection),
            Err(_) => failed(WebhookFailure::Timeout),
        };
        Sent { attempted, took: began.elapsed() }
    }

    /// Downloads a small document of JSON by GET, without redirects.
    ///
    /// # Errors
    /// Why nothing was downloaded.
    pub(crate) async fn get(&self, destination: &Destination) -> Result<Vec<u8>, String> {
        let end = Instant::now() + self.options.limit;
        let addresses = self.check(destination).await.map_err(|NotAllowed| {
            "the address isn't found, or isn't allowed: --webhook-allow names the networks inside that are".to_owned()
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
        got.await.map_err(|_| "nothing came in time".to_owned())?
    }

    /// `None` if no connection was made, or it broke.
    async fn send(&self, destination: &Destination, addresses: &[SocketAddr], request: Request) -> Option<Attempted> {
        let socket = connect(addresses, self.options.limit).await?;
        if !destination.is_https() {
            return exchange::post(destination.url(), socket, request).await;
        }
        let name = server_name(destination.host())?;
        let stream = self.tls.connect(name, socket).await.ok()?;
        exchange::post(destination.url(), stream, request).await
    }
}

/// A connection to the first address that takes one. Each address has its share of the time, so that one that answers
/// nothing leaves time for the others.
async fn connect(addresses: &[SocketAddr], within: Duration) -> Option<TcpStream> {
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let each = (within / count).min(CONNECT_LIMIT);
    for address in addresses {
        if let Ok(Ok(socket)) = timeout(each, TcpStream::connect(address)).await {
            // Fails for a socket that is broken already.
            let _ = socket.set_nodelay(true);
            return Some(socket);
        }
    }
    None
}
