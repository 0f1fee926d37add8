//! Connections beyond the most that the server takes, or that a peer may have: a few of them are heard, so that
//! probes are answered however full the house is, and everybody else is told why nothing is done for him.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::peers::Peers;
use super::{raw_answer, tell};
use crate::http::accept::Media;
use crate::http::health::is_probe;
use crate::http::limits;
use crate::http::reply::Refused;

/// How many such connections are heard at a time; more are closed without a word.
const PLACES: usize = 64;
/// How many of one peer, so that nobody takes them all.
const PER_PEER: usize = 8;
/// How long one of them may take to say what it wants.
const HEAD_WITHIN: Duration = Duration::from_secs(1);
/// How long it may take then: a probe waits for the database.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How many files these connections may have open.
pub const RESERVED: u32 = PLACES as u32;

/// The places for connections beyond the most.
pub(super) struct Reserve {
    places: Arc<Semaphore>,
    peers: Arc<Peers>,
}

/// Why a connection isn't served.
#[derive(Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Reserve {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), peers: Peers::new(PER_PEER) }
    }

    /// Hears a connection for a moment, in a task of its own.
    pub(super) fn hear(&self, socket: TcpStream, peer: IpAddr, router: TowerToHyperService<Router>, refusal: Refusal) {
        let (Ok(permit), Some(place)) = (self.places.clone().try_acquire_owned(), self.peers.enter(peer)) else {
            return;
        };
        tokio::spawn(async move {
            converse(socket, router, refusal).await;
            drop((permit, place));
        });
    }
}

async fn converse(socket: TcpStream, router: TowerToHyperService<Router>, refusal: Refusal) {
    let spoke = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (spoke, refusal) = (spoke.clone(), refusal.clone());
        move |request: Request<Incoming>| {
            spoke.store(true, Ordering::Relaxed);
            answer(request, router.clone(), refusal.clone()).boxed()
        }
    });
    let mut builder = http1::Builder::new();
    let mut connection = builder
        .keep_alive(false)
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service);
    // Whatever goes wrong, the connection ends.
    if timeout(HEAD_WITHIN, &mut connection).await.is_ok() {
        return;
    }
    if spoke.load(Ordering::Relaxed) {
        let _ = timeout(END_WITHIN, connection).await;
    } else {
        let Refusal { status, code, message } = refusal;
        tell(connection.into_parts().io.into_inner(), &raw_answer(&status.to_string(), code, &message)).await;
    }
}

async fn answer(
    request: Request<Incoming>,
    router: TowerToHyperService<Router>,
    refusal: Refusal,
) -> Result<Response<Body>, Infallible> {
    let request = request.map(Body::new);
    if is_probe(request.uri().path()) {
        return router.call(request).await;
    }
    let (parts, body) = request.into_parts();
    // What is left unread would make the operating system throw our words away.
    limits::discard(&parts.headers, body).await;
    let refused = Refused::new(refusal.status, refusal.code, refusal.message);
    let refused = refused.with(header::RETRY_AFTER, "1").with(header::CONNECTION, "close");
    Ok(refused.with(header::X_CONTENT_TYPE_OPTIONS, "nosniff").reply(Media::Json))
}
