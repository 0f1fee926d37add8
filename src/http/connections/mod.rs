//! Accepts connections and serves HTTP/1.1 on them. It limits the number of connections, in all and per peer, and
//! closes a connection when its client is too slow.

mod io;
pub mod peers;
pub mod progress;
mod reserve;

use std::convert::Infallible;
use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::http::routes::Routes;
use crate::http::shed::Shed;
use crate::metrics::{Active, ConnectionLimit, Metrics};
use crate::stop::ended_or_gone;

use io::{Tracked, Tracker};
use peers::{ConnectionSlot, Peers, forwarded_for, is_trusted};
use progress::{Overdue, Progress, Timers};
pub use reserve::RESERVED;
use reserve::{Refusal, Reserve};

/// How long a refused client may take to read the answer.
const SEND_WITHIN: Duration = Duration::from_secs(1);
/// The pause after the operating system refused a further connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// The most connections that can be configured.
const CONNECTIONS_MAX: u32 = 1_000_000;

/// The options of connections.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    pub timers: Timers,
    /// The most bytes of a request line and its headers together.
    pub head_limit: usize,
    /// The most connections in all.
    pub max: u32,
    /// The most connections of one peer.
    pub max_per_peer: usize,
    /// The proxies whose header `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where connections are counted.
    pub metrics: Arc<Metrics>,
    /// When connections were refused for lack of room.
    pub shed: Shed,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            timers: Timers { head: seconds(10), idle: seconds(75), write: seconds(30) },
            head_limit: 64 * 1024,
            max: 10_000,
            max_per_peer: 1_000,
            trusted_proxies: Vec::new(),
            metrics: Arc::default(),
            shed: Shed::default(),
        }
    }
}

/// The client that sent a request. The server adds it to the request's extensions.
#[derive(Clone)]
pub struct Client {
    pub address: IpAddr,
    /// Counts the request for the client's address while it is answered, if it came through a trusted proxy; a proxy's
    /// connection carries requests of many clients. `Err` when the address has too many.
    pub slot: Result<Option<Arc<ConnectionSlot>>, TooManyConnections>,
}

/// A peer has as many connections as it may have.
#[derive(Clone, Copy, Debug)]
pub struct TooManyConnections {
    pub most: usize,
}

/// Accepts and serves connections until `ending` is true. Returns when the last connection has ended.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    options: ConnectionOptions,
    mut ending: watch::Receiver<bool>,
) {
    let most = options.max.clamp(1, CONNECTIONS_MAX);
    let slots = Arc::new(Semaphore::new(most as usize));
    let acceptor =
        Arc::new(Acceptor { peers: Peers::new(options.max_per_peer), reserve: Reserve::new(), routes, options });
    let ending_of_connections = ending.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => acceptor.open(socket, peer.ip(), &slots, &ending_of_connections),
                Err(error) => not_accepted(&error).await,
            },
            () = ended_or_gone(&mut ending) => break,
        }
    }
    drop(listener);
    // Waits for all connections, also those that became WebSockets.
    let _ = slots.acquire_many(most).await;
}

/// A client that has gone already needs no reaction. After a shortage of resources the server pauses.
async fn not_accepted(error: &Error) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(%error, "no connection could be accepted");
        sleep(ACCEPT_AGAIN).await;
    }
}

/// Shared by all connections.
struct Acceptor {
    peers: Arc<Peers>,
    reserve: Reserve,
    routes: Routes,
    options: ConnectionOptions,
}

impl Acceptor {
    fn open(self: &Arc<Self>, socket: TcpStream, peer: IpAddr, slots: &Arc<Semaphore>, ending: &watch::Receiver<bool>) {
        // Fails only when the client has gone.
        let _ = socket.set_nodelay(true);
        let Ok(permit) = slots.clone().try_acquire_owned() else {
            let message = format!("The server has {} connections, the most that it serves.", self.options.max);
            self.options.metrics.connections_refused.add(ConnectionLimit::Server, 1);
            self.options.shed.refused();
            return self.refuse(socket, peer, StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message);
        };
        let behind_proxy = is_trusted(&self.options.trusted_proxies, peer);
        let slot = match self.peers.enter(peer) {
            _ if behind_proxy => None,
            Some(slot) => Some(slot),
            None => {
                let message = too_many_connections(self.options.max_per_peer);
                self.options.metrics.connections_refused.add(ConnectionLimit::Peer, 1);
                return self.refuse(socket, peer, StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message);
            }
        };
        let permits: Permits = (permit, slot, self.options.metrics.connections.enter(()));
        let (acceptor, ending) = (self.clone(), ending.clone());
        tokio::spawn(async move { acceptor.serve_connection(socket, permits, peer, behind_proxy, ending).await });
    }

    /// Serves one connection to its end.
    async fn serve_connection(
        self: Arc<Self>,
        socket: TcpStream,
        permits: Permits,
        peer: IpAddr,
        behind_proxy: bool,
        mut ending: watch::Receiver<bool>,
    ) {
        let tracker = Tracker::new(self.options.timers);
        // These futures are polled only when they are woken themselves, and not with each request.
        let watched = tracker.clone();
        let mut rare: FuturesUnordered<BoxFuture<'_, Option<Overdue>>> = FuturesUnordered::new();
        rare.push(Box::pin(async move { Some(watched.overdue().await) }));
        rare.push(Box::pin(async move {
            ended_or_gone(&mut ending).await;
            None
        }));
        let io = TokioIo::new(Tracked { socket, tracker: tracker.clone(), _permits: permits });
        let acceptor = self.clone();
        let service = service_fn(move |request| acceptor.answer(request, peer, behind_proxy, tracker.clone()));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // A client may close its sending side and still read the answer.
            .half_close(true)
            // The library's date header panics after the year 9999.
            .auto_date_header(false)
            // The tracker's timers replace it.
            .header_read_timeout(None)
            .max_header_size(self.options.head_limit)
            // The builder accepts no smaller buffer.
            .max_buf_size(self.options.head_limit.max(8 * 1024))
            .serve_connection(io, service)
            .with_upgrades();
        loop {
            tokio::select! {
                biased;
                outcome = Pin::new(&mut connection) => {
                    if let Err(error) = outcome {
                        tracing::debug!(%peer, %error, "a connection ended");
                    }
                    return;
                }
                event = rare.next() => match event.flatten() {
                    Some(overdue) => {
                        tracing::debug!(%peer, ?overdue, "a connection is ended");
                        if overdue == Overdue::Head && let Some(parts) = connection.into_parts() {
                            let head = self.options.timers.head.as_secs_f32();
                            let message =
                                format!("A request's headers must come within {head} seconds; these did not.");
                            let answer = raw_answer("408 Request Timeout", "TIMEOUT", &message);
                            send_and_close(parts.io.into_inner(), &answer).await;
                        }
                        return;
                    }
                    // The server ends.
                    None => Pin::new(&mut connection).graceful_shutdown(),
                },
            }
        }
    }

    /// Answers a request. Boxed, so that the connection can be taken apart.
    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: IpAddr,
        behind_proxy: bool,
        tracker: Arc<Tracker>,
    ) -> BoxFuture<'static, Result<Response<TrackedBody>, Infallible>> {
        tracker.update(Progress::serving);
        let client = self.client(&request, peer, behind_proxy);
        let slot = client.slot.clone().ok().flatten();
        request.extensions_mut().insert(client);
        let answer = self.routes.answer(request.map(Body::new));
        Box::pin(async move {
            let mut response = answer.await;
            if let Some(date) = date() {
                response.headers_mut().insert(header::DATE, date);
            }
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                tracker.update(Progress::handed_over);
            }
            Ok(response.map(|body| TrackedBody { body, tracker, _slot: slot }))
        })
    }

    fn client(&self, request: &Request<Incoming>, peer: IpAddr, behind_proxy: bool) -> Client {
        if !behind_proxy {
            return Client { address: peer.to_canonical(), slot: Ok(None) };
        }
        let address = forwarded_for(request.headers(), &self.options.trusted_proxies, peer);
        let slot = if is_trusted(&self.options.trusted_proxies, address) {
            Ok(None)
        } else {
            let too_many_connections = TooManyConnections { most: self.options.max_per_peer };
            self.peers.enter(address).map(|slot| Some(Arc::new(slot))).ok_or(too_many_connections)
        };
        Client { address, slot }
    }

    /// Refuses a connection over the limit, after a short dialogue.
    fn refuse(&self, socket: TcpStream, peer: IpAddr, status: StatusCode, code: &'static str, message: String) {
        self.reserve.serve(socket, peer, self.routes.clone(), Refusal { status, code, message });
    }
}

/// The message for a connection over a peer's limit.
pub(super) fn too_many_connections(most: usize) -> String {
    format!("You have {most} connections, the most that a peer may have; close one first.")
}

/// Held as long as a connection's socket is open.
type Permits = (OwnedSemaphorePermit, Option<ConnectionSlot>, Active);

/// A complete HTTP response, for a connection without a parsed request.
fn raw_answer(status: &str, code: &str, message: &str) -> String {
    let body = serde_json::json!({ "errors": [{ "message": message, "extensions": { "code": code } }] }).to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\
         x-content-type-options: nosniff\r\ncache-control: no-store\r\nretry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a last answer. Reads the rest of the client's bytes and discards them, because the operating system would
/// discard the answer when unread bytes remain.
async fn send_and_close(mut socket: impl AsyncRead + AsyncWrite + Unpin, answer: &str) {
    let exchange = async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        let mut discarded = [0; 1024];
        while socket.read(&mut discarded).await? > 0 {}
        Ok::<_, Error>(())
    };
    // A failure means that the client has gone.
    let _ = timeout(SEND_WITHIN, exchange).await;
}

/// The body of an answer. When it is dropped, the tracker records that the connection waits for its next request.
struct TrackedBody {
    body: Body,
    tracker: Arc<Tracker>,
    _slot: Option<Arc<ConnectionSlot>>,
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.tracker.update(|progress| progress.answered(tokio::time::Instant::now()));
    }
}

/// The current time in the format of HTTP, formatted once a second; `None` when its year has more than four digits.
fn date() -> Option<HeaderValue> {
    static FORMATTED: Mutex<Option<(i64, HeaderValue)>> = Mutex::new(None);
    static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::system);
    let now = CLOCK.now();
    let mut formatted = FORMATTED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*formatted {
        Some((second, date)) if *second == now.timestamp() => Some(date.clone()),
        _ => {
            let date = CLOCK.is_representable().then(|| now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
            let date = HeaderValue::from_str(&date?).ok()?;
            *formatted = Some((now.timestamp(), date.clone()));
            Some(date)
        }
    }
}
