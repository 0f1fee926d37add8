//! Sends spans to the collector.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::collector::{Collector, NotTaken};
use super::otlp::Bodies;
use super::queue::{BATCH, Queue};
use super::settings::TraceSettings;
use super::span::Finished;
use crate::metrics::SpanOutcome;

/// The pause before the second attempt to send a batch. It doubles after each attempt, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Sends the spans of a server, a batch at a time.
pub struct Exporter {
    queue: Arc<Queue>,
    settings: TraceSettings,
    collector: Collector,
    bodies: Bodies,
    /// Whether the last batch was lost. The log has a line when that begins and when it ends.
    is_losing: bool,
}

impl Exporter {
    pub(super) fn new(queue: Arc<Queue>, settings: TraceSettings) -> Result<Self, String> {
        let collector = Collector::new(&settings)?;
        let bodies = Bodies::new(&settings.resource);
        Ok(Self { queue, settings, collector, bodies, is_losing: false })
    }

    /// Sends spans until `ending` is true, and then the spans that still wait, with one attempt for each batch. A
    /// caller that doesn't want to wait for these can drop the future.
    pub async fn run(mut self, mut ending: watch::Receiver<bool>) {
        while !is_over(&ending) {
            tokio::select! {
                _ = ending.wait_for(|ending| *ending) => break,
                () = self.queue.is_full.notified() => {}
                () = tokio::time::sleep(self.settings.delay) => {}
            }
            // Sends all full batches, and the rest, whose spans have waited for up to the delay.
            loop {
                let spans = self.queue.take();
                let is_whole = spans.len() == BATCH;
                self.send(spans, &mut ending).await;
                if !is_whole {
                    break;
                }
            }
        }
        loop {
            let spans = self.queue.take();
            if spans.is_empty() {
                return;
            }
            self.send(spans, &mut ending).await;
        }
    }

    /// Sends a batch, and repeats that while the collector may take it later, up to the time limit for retries.
    async fn send(&mut self, spans: Vec<Finished>, ending: &mut watch::Receiver<bool>) {
        if spans.is_empty() {
            return;
        }
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = Bytes::from(self.bodies.body(spans));
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        let lost = loop {
            let posted = timeout(self.settings.limit, self.collector.post(body.clone())).await;
            let limit = self.settings.limit.as_secs_f32();
            let posted = posted.unwrap_or_else(|_| {
                Err(NotTaken::later(format!("the collector did not answer within {limit} seconds")))
            });
            match posted {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    self.count(SpanOutcome::Exported, count - rejected);
                    self.count(SpanOutcome::Refused, rejected);
                    if std::mem::take(&mut self.is_losing) {
                        tracing::info!("the collector takes traces again");
                    }
                    return;
                }
                Err(NotTaken { why, later: Some(asked) }) => {
                    let wait = asked.unwrap_or(pause).min(LONGEST_PAUSE);
                    if is_over(ending) || began.elapsed() + wait > self.settings.retry {
                        break NotTaken { why, later: Some(asked) };
                    }
                    tokio::select! {
                        _ = ending.wait_for(|ending| *ending) => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(refused) => break refused,
            }
        };
        let outcome = if lost.later.is_some() { SpanOutcome::Lost } else { SpanOutcome::Refused };
        self.count(outcome, count);
        // Logged for the first of several lost batches.
        if !std::mem::replace(&mut self.is_losing, true) {
            tracing::warn!(why = lost.why, "traces are lost: the collector doesn't take them");
        }
    }

    fn count(&self, outcome: SpanOutcome, spans: u64) {
        self.queue.metrics.trace_spans.add(outcome, spans);
    }
}

/// Whether the server ends. A dropped sender means that, too.
fn is_over(ending: &watch::Receiver<bool>) -> bool {
    *ending.borrow() || ending.has_changed().is_err()
}
