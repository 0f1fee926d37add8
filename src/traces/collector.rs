//! The connection to the collector.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use super::settings::TraceSettings;
use crate::outbound::{connector, server_name};

/// The most bytes of an answer that are read.
const ANSWER_MAX: usize = 64 * 1024;

/// A collector. Its connection is kept open between requests.
pub(super) struct Collector {
    url: Url,
    headers: Vec<(String, String)>,
    tls: TlsConnector,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// The failure of a request to the collector.
pub(super) struct NotTaken {
    pub(super) why: String,
    /// `Some` if the same request may succeed later, with the pause that the collector asks for, if it does.
    pub(super) later: Option<Option<Duration>>,
}

impl NotTaken {
    pub(super) fn later(why: impl ToString) -> Self {
        Self { why: why.to_string(), later: Some(None) }
    }

    fn never(why: impl ToString) -> Self {
        Self { why: why.to_string(), later: None }
    }
}

/// The body of a collector's answer. It names the spans that the collector has refused.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Taken {
    partial_success: Partial,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    /// A number, or in the answers of some collectors a text with a number.
    rejected_spans: serde_json::Value,
}

impl Collector {
    pub(super) fn new(settings: &TraceSettings) -> Result<Self, String> {
        let (url, headers) = (settings.endpoint.clone(), settings.headers.clone());
        Ok(Self { url, headers, tls: connector(&settings.authorities)?, open: None })
    }

    /// Sends a body. Returns how many of its spans the collector refused.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<u64, NotTaken> {
        if let Some(sender) = self.open.take()
            && let Ok(answered) = self.send(sender, body.clone()).await
        {
            return answered;
        }
        // The collector may have closed the connection while it was idle.
        let sender = self.connect().await?;
        self.send(sender, body).await.map_err(NotTaken::later)?
    }

    /// Sends a body over a connection. The outer error means that the connection broke, the inner one that the
    /// collector answered with an error.
    async fn send(
        &mut self,
        mut sender: SendRequest<Full<Bytes>>,
        body: Bytes,
    ) -> hyper::Result<Result<u64, NotTaken>> {
        sender.ready().await?;
        let mut request = Request::post(&self.url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, &self.url[Position::BeforeHost..Position::AfterPort])
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("packwright/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = match request.body(Full::new(body)) {
            Ok(request) => request,
            Err(error) => return Ok(Err(NotTaken::never(error))),
        };
        let answer = sender.send_request(request).await?;
        let (status, pause) = (answer.status(), retry_after(answer.headers()));
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        if body.is_ok() {
            self.open = Some(sender);
        }
        if status.is_success() {
            return Ok(Ok(body.map_or(0, |body| rejected(&body.to_bytes()))));
        }
        let why = format!("the collector answers {status}");
        Ok(match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(NotTaken { why, later: Some(pause) }),
            _ => Err(NotTaken::never(why)),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, NotTaken> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_or_known_default().unwrap_or_default();
        let socket = TcpStream::connect((host, port)).await.map_err(NotTaken::later)?;
        // Fails for a socket that is broken already.
        let _ = socket.set_nodelay(true);
        if self.url.scheme() == "http" {
            return greet(socket).await;
        }
        let name = server_name(host).ok_or_else(|| NotTaken::never("no certificate can name the host"))?;
        greet(self.tls.connect(name, socket).await.map_err(NotTaken::later)?).await
    }
}

async fn greet(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, NotTaken> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(NotTaken::later)?;
    // It ends when the sender is dropped.
    tokio::spawn(connection);
    Ok(sender)
}

fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn rejected(answer: &[u8]) -> u64 {
    let taken: Taken = serde_json::from_slice(answer).unwrap_or_default();
    match &taken.partial_success.rejected_spans {
        serde_json::Value::String(text) => text.parse().unwrap_or_default(),
        number => number.as_u64().unwrap_or_default(),
    }
}
