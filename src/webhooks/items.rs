//! The events of an endpoint, one after the other.

use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::{Item, SourceEnd};

/// The stream of an endpoint's events.
pub(super) struct Items {
    stream: BoxStream<'static, Result<Item, SourceEnd>>,
    /// An item that came during other work.
    ready: Option<Result<Item, SourceEnd>>,
}

impl Items {
    pub(super) fn of(stream: BoxStream<'static, Result<Item, SourceEnd>>) -> Self {
        Self { stream, ready: None }
    }

    /// The next item, or why the stream ended. If the future is dropped, no item is lost.
    pub(super) async fn next(&mut self) -> Result<Item, SourceEnd> {
        match self.ready.take() {
            Some(item) => item,
            None => self.stream.next().await.unwrap_or(Err(SourceEnd::Ended)),
        }
    }

    /// Does `work`, and lets the stream go on meanwhile. The stream may be reading the next event. If it stood still for
    /// as long as the database doesn't take the progress, it would keep a connection and one of the few turns of readers
    /// of the log from all other subscribers.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        if self.ready.is_some() {
            return work.await;
        }
        let mut work = pin!(work);
        tokio::select! {
            done = &mut work => done,
            item = self.stream.next() => {
                self.ready = Some(item.unwrap_or(Err(SourceEnd::Ended)));
                work.await
            }
        }
    }
}
