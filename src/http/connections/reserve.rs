//! Serves a few connections over the limits for a short time. Health probes get their answer even when the server is
//! full, and other clients get an error that says why they are refused.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::peers::Peers;
use super::{raw_answer, send_and_close};
use crate::http::accept::Media;
use crate::http::health::is_probe;
use crate::http::limits;
use crate::http::reply::Refused;
use crate::http::routes::Routes;

/// The most such connections at a time. Further ones are closed without an answer.
const SLOTS: usize = 64;
/// The most such connections of one peer, so that one peer can't use them all.
const PER_PEER: usize = 8;
/// How long the client may take to send a request.
const HEAD_WITHIN: Duration = Duration::from_secs(1);
/// How long the answer may take. A probe may have to wait for the database.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How many files these connections may have open.
pub const RESERVED: u32 = SLOTS as u32;

/// Serves connections over the limits, and counts them.
pub(super) struct Reserve {
    slots: Arc<Semaphore>,
    peers: Arc<Peers>,
}

/// Why a connection is refused.
#[derive(Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Reserve {
    pub(super) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(SLOTS)), peers: Peers::new(PER_PEER) }
    }

    /// Serves a connection for a short time, in a task of its own.
    pub(super) fn serve(&self, socket: TcpStream, peer: IpAddr, routes: Routes, refusal: Refusal) {
        let (Ok(permit), Some(slot)) = (self.slots.clone().try_acquire_owned(), self.peers.enter(peer)) else {
            return;
        };
        tokio::spawn(async move {
            serve_connection(socket, routes, refusal).await;
            drop((permit, slot));
        });
    }
}

async fn serve_connection(socket: TcpStream, routes: Routes, refusal: Refusal) {
    let spoke = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let (spoke, refusal) = (spoke.clone(), refusal.clone());
        move |request: Request<Incoming>| {
            spoke.store(true, Ordering::Relaxed);
            answer(request, routes.clone(), refusal.clone()).boxed()
        }
    });
    let mut builder = http1::Builder::new();
    let mut connection = builder
        .keep_alive(false)
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(socket), service);
    // The connection ends in any case, so errors don't matter.
    if timeout(HEAD_WITHIN, &mut connection).await.is_ok() {
        return;
    }
    if spoke.load(Ordering::Relaxed) {
        let _ = timeout(END_WITHIN, connection).await;
    } else {
        let Refusal { status, code, message } = refusal;
        send_and_close(connection.into_parts().io.into_inner(), &raw_answer(&status.to_string(), code, &message)).await;
    }
}

async fn answer(request: Request<Incoming>, routes: Routes, refusal: Refusal) -> Result<Response<Body>, Infallible> {
    let request = request.map(Body::new);
    if is_probe(request.uri().path()) {
        return Ok(routes.answer(request).await);
    }
    let (parts, body) = request.into_parts();
    // The operating system would discard the answer when unread bytes remain.
    limits::discard(&parts.headers, body).await;
    let refused = Refused::new(refusal.status, refusal.code, refusal.message);
    let refused = refused.with(header::RETRY_AFTER, "1").with(header::CONNECTION, "close");
    Ok(refused.with(header::X_CONTENT_TYPE_OPTIONS, "nosniff").reply(Media::Json))
}
