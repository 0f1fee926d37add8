//! One request and its answer over a connection.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request as HttpRequest, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use super::Request;
use crate::domain::webhooks::{Attempted, RetryAfter, WebhookFailure};

/// How long a body is read after the head has come. A receiver that sends its body slowly holds up no event longer.
const BODY_PATIENCE: Duration = Duration::from_secs(1);
/// How long before the end of the attempt the reading of a body ends. So an attempt that has a status is no timeout.
const BEFORE_END: Duration = Duration::from_millis(50);
/// The most bytes that are read of an answer's body. Its head may have as many.
const ANSWER_MAX: usize = 64 * 1024;

/// Sends a request by POST, and reads the answer until `end` at the latest. `None` if the connection broke before the
/// answer's head was read.
pub(super) async fn post(
    url: &Url,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request,
    end: Instant,
) -> Option<Attempted> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(ANSWER_MAX).handshake(TokioIo::new(stream)).await.ok()?;
    // Dropping the set at the end of this function closes the connection.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let mut builder = HttpRequest::post(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, concat!("packwright/", env!("CARGO_PKG_VERSION")));
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let answer = sender.send_request(builder.body(Full::new(request.body)).ok()?).await.ok()?;
    let status = answer.status();
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).and_then(RetryAfter::parse);
    // The status has decided already, so a body that breaks off or takes too long is no failure.
    let patience = (Instant::now() + BODY_PATIENCE).min(end - BEFORE_END);
    let _ = timeout_at(patience, read_body(answer.into_body())).await;
    let failure = (!status.is_success()).then_some(WebhookFailure::Status);
    Some(Attempted { status: Some(status.as_u16()), failure, retry_after })
}

/// Reads a body up to the limit and drops it.
async fn read_body(mut body: impl hyper::body::Body<Data = Bytes> + Unpin) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read >= ANSWER_MAX {
            return;
        }
    }
}
