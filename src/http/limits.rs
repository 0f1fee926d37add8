//! Limits how much of a body is read, and how long that may take.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::reply::Refused;

/// How much of an unwanted body is read and discarded. A client that sends its whole body before it reads would
/// otherwise not see the answer.
const DISCARDED_MAX: usize = 8 << 20;
/// How long discarding may take.
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// Reads a body of at most `limit` bytes, with or without an announced length.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize, within: Duration) -> Result<Vec<u8>, Refused> {
    let announced = announced(headers);
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        discard(headers, body).await;
        return Err(too_large(limit, announced));
    }
    let mut until = None;
    let mut read = Vec::new();
    let mut chunks = body.into_data_stream();
    loop {
        // A short body has come with the headers, and needs no clock.
        let next = match chunks.next().now_or_never() {
            Some(next) => Ok(next),
            None => timeout_at(*until.get_or_insert_with(|| Instant::now() + within), chunks.next()).await,
        };
        let chunk = match next {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => return Ok(read),
            Ok(Some(Err(_))) => {
                return Err(Refused::bad(StatusCode::BAD_REQUEST, "The body could not be read to its end."));
            }
            Err(_) => return Err(too_slow(within)),
        };
        if read.len() + chunk.len() > limit {
            drain(chunks).await;
            return Err(too_large(limit, announced));
        }
        read.extend_from_slice(&chunk);
    }
}

/// Discards a body, for a limited time. A client that waits for `100 Continue` sends none, so nothing is read.
pub(super) async fn discard(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(header::EXPECT) {
        drain(body.into_data_stream()).await;
    }
}

async fn drain(mut chunks: BodyDataStream) {
    let all = async {
        let mut discarded = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            discarded += chunk.len();
            if discarded > DISCARDED_MAX {
                return;
            }
        }
    };
    // After the time limit the connection is closed, even if the client still sends.
    let _ = timeout(DISCARD_WITHIN, all).await;
}

/// The length that the header `Content-Length` announces.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

fn too_large(limit: usize, announced: Option<u64>) -> Refused {
    let found = announced.map_or_else(|| "is longer".to_owned(), |length| format!("has {length}"));
    let message = format!("At most {limit} bytes of a body are read; this one {found}.");
    Refused::bad(StatusCode::PAYLOAD_TOO_LARGE, message)
}

fn too_slow(within: Duration) -> Refused {
    let message = format!("A body must come within {} seconds; this one did not.", within.as_secs_f32());
    Refused::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message).with(header::CONNECTION, "close")
}
