//! Ends a subscription whose token is no longer valid (R4).

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::answer::Answer;
use crate::service::Shared;
use crate::service::access::Viewer;
use crate::service::accounts::TokenWatch;

/// Passes `answers` on as long as the viewer's token is valid.
pub(super) fn while_token_valid(
    services: &Shared,
    viewer: &Viewer,
    mut answers: BoxStream<'static, Answer>,
) -> BoxStream<'static, Answer> {
    let watched = TokenWatch::watch(services, viewer);
    let request_id = viewer.request_id.clone().unwrap_or_default();
    async_stream::stream! {
        loop {
            let refused = tokio::select! {
                answer = answers.next() => {
                    let Some(answer) = answer else { return };
                    // The subscription has the token checked before it shows an event, so this is the newest result.
                    match watched.refusal() {
                        None => {
                            yield answer;
                            continue;
                        }
                        Some(refusal) => refusal.clone(),
                    }
                }
                failure = watched.refused() => failure,
            };
            yield Answer::failed(&refused, &request_id);
            return;
        }
    }
    .boxed()
}
