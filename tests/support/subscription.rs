//! Subscriptions.

use std::time::Duration;

use futures_util::stream::{BoxStream, Peekable};
use futures_util::{StreamExt as _, poll};
use packwright::app::App;
use serde_json::Value;

use super::{At, TestApp, client};

/// How long to wait for an item before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// An open subscription.
pub(crate) struct Subscription {
    stream: Peekable<BoxStream<'static, packwright::http::Answer>>,
}

impl TestApp {
    /// Opens a subscription, which must be accepted, and waits until it follows the log: it gets each event that is
    /// written after the return. A subscription that has an item at once, such as a refusal, keeps it for `next`.
    ///
    /// Other subscriptions of this app aren't opened or closed meanwhile, because their number shows when this one
    /// follows.
    pub(crate) async fn subscribe(&self, token: &str, query: &str, variables: Value) -> Subscription {
        Subscription::open(&self.app, token, query, variables).await
    }
}

impl Subscription {
    /// Like [`TestApp::subscribe`], on this server.
    pub(crate) async fn open(server: &App, token: &str, query: &str, variables: Value) -> Self {
        let request = client::request(query, variables);
        let before = server.hub.followers();
        let stream = server.execute_stream(Some(token), request).await.expect("the subscription is let in");
        let mut stream = stream.peekable();
        let follows = async {
            while poll!(std::pin::Pin::new(&mut stream).peek()).is_pending() && server.hub.followers() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIME_LIMIT, follows).await.expect("the subscription follows the log");
        Self { stream }
    }

    /// The next item with `data` and `errors`; `None` when the subscription has ended.
    pub(crate) async fn next_raw(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(TIME_LIMIT, self.stream.next()).await.expect("nothing came");
        next.map(|response| serde_json::to_value(response).expect("an item is JSON"))
    }

    /// The next answer. It isn't sent before it is dropped.
    pub(crate) async fn next_answer(&mut self) -> packwright::http::Answer {
        let next = tokio::time::timeout(TIME_LIMIT, self.stream.next()).await.expect("nothing came");
        next.expect("another item, before the subscription ends")
    }

    /// The `data` of the next item, which must have no errors.
    pub(crate) async fn next(&mut self) -> Value {
        let item = self.next_raw().await.expect("another item, before the subscription ends");
        assert!(item.get("errors").is_none_or(|errors| errors.as_array().is_none_or(Vec::is_empty)), "{item:#}");
        item.at("/data").clone()
    }

    /// The `data` of the next `count` items.
    pub(crate) async fn collect(&mut self, count: usize) -> Vec<Value> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.next().await);
        }
        items
    }

    /// All items until the subscription ends by itself.
    pub(crate) async fn until_the_end(mut self) -> Vec<Value> {
        let mut items = Vec::new();
        while let Some(item) = self.next_raw().await {
            items.push(item);
        }
        items
    }
}
