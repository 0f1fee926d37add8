//! Ends a subscription whose token is no longer valid (R4).

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::answer::Answer;
use crate::service::Shared;
use crate::service::access::Viewer;
use crate::service::accounts::tokens::check_token_valid;
use crate::service::error::Failure;

/// How often an open subscription checks that its token is still valid.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Passes `answers` on as long as the viewer's token is valid.
pub(super) fn while_token_valid(
    services: Shared,
    viewer: Viewer,
    mut answers: BoxStream<'static, Answer>,
) -> BoxStream<'static, Answer> {
    async_stream::stream! {
        // Runs in its own task: the check may wait for a database connection, while `answers`, which may hold one, must
        // continue.
        let mut dismissal = Watch::start(services.clone(), viewer.clone());
        loop {
            let refused = tokio::select! {
                answer = answers.next() => {
                    let Some(answer) = answer else { return };
                    // The stream holds no connection between two answers.
                    match check_token_valid(&services, &viewer).await {
                        Ok(()) => {
                            yield answer;
                            continue;
                        }
                        Err(failure) => failure,
                    }
                }
                Ok(failure) = &mut dismissal.0 => failure,
            };
            yield Answer::failed(&refused, viewer.request_id.as_deref().unwrap_or_default());
            return;
        }
    }
    .boxed()
}

/// Checks every few seconds that a viewer's token is valid. Ends with the failure when it isn't.
struct Watch(tokio::task::JoinHandle<Failure>);

impl Watch {
    fn start(services: Shared, viewer: Viewer) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK_EVERY).await;
                match check_token_valid(&services, &viewer).await {
                    // An unreachable database proves nothing. The next answer is checked anyway.
                    Ok(()) | Err(Failure::Unavailable(_) | Failure::OutcomeUnknown(_) | Failure::Timeout(_)) => {}
                    Err(failure) => return failure,
                }
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
