//! A socket that reports the progress of its connection.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::progress::{Overdue, Progress, Timers};

/// The progress of one connection. Its socket and its HTTP service report to it.
pub(super) struct Tracker {
    state: Mutex<State>,
    changed: Notify,
    timers: Timers,
}

struct State {
    progress: Progress,
    /// When [`Tracker::overdue`] wakes up by itself.
    looks_at: Option<Instant>,
}

impl Tracker {
    pub(super) fn new(timers: Timers) -> Arc<Self> {
        let state = Mutex::new(State { progress: Progress::new(Instant::now()), looks_at: None });
        Arc::new(Self { state, changed: Notify::new(), timers })
    }

    /// Changes the progress. Wakes [`Tracker::overdue`] only if the new deadline is earlier than its next wake-up,
    /// which is rare.
    pub(super) fn update(&self, what: impl FnOnce(&mut Progress) -> bool) {
        let mut state = self.state();
        if what(&mut state.progress)
            && let Some((at, _)) = state.progress.deadline(&self.timers)
            && state.looks_at.is_none_or(|look| at < look)
        {
            self.changed.notify_one();
        }
    }

    /// Waits until a step of the connection takes too long.
    pub(super) async fn overdue(&self) -> Overdue {
        loop {
            let now = Instant::now();
            let look = {
                let mut state = self.state();
                let look = match state.progress.deadline(&self.timers) {
                    Some((at, what)) if at <= now => return what,
                    // A step that begins later has a later deadline. So a connection in use doesn't wake this with each
                    // of its requests.
                    Some((at, _)) => Some(at.min(now + self.timers.shortest())),
                    None => None,
                };
                state.looks_at = look;
                look
            };
            match look {
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that reports reads and writes to a tracker. `_permits` lives as long as the socket, also after an upgrade.
pub(super) struct Tracked<S, H> {
    pub(super) socket: S,
    pub(super) tracker: Arc<Tracker>,
    pub(super) _permits: H,
}

impl<S, H> Tracked<S, H> {
    fn wrote<T>(&self, result: Poll<Result<T>>) -> Poll<Result<T>> {
        match result {
            Poll::Pending => self.tracker.update(|progress| progress.blocked(Instant::now())),
            Poll::Ready(_) => self.tracker.update(Progress::written),
        }
        result
    }
}

impl<S: AsyncRead + Unpin, H: Unpin> AsyncRead for Tracked<S, H> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.tracker.update(|progress| progress.read(Instant::now()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin, H: Unpin> AsyncWrite for Tracked<S, H> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.wrote(result)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
