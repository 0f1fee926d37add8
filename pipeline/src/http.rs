//! HTTP requests, each on a connection of its own. Redirects aren't followed, so that a token isn't sent elsewhere.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request as HttpRequest, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Position, Url};

/// The time limit of a connection, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// The time limit from the request to the head of the answer. The server gives up earlier.
const ANSWER_LIMIT: Duration = Duration::from_secs(75);
/// The most bytes of an answer's body.
const SIZE_MAX: usize = 8 << 20;

/// A request. Its body is JSON.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer whose body is read piece by piece.
pub(crate) struct Opened {
    pub(crate) answer: Response<Incoming>,
    /// Dropping it closes the connection.
    _driver: JoinSet<()>,
}

impl Opened {
    /// The next bytes of the body; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            match self.answer.body_mut().frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(with_causes(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads the whole body.
    pub(crate) async fn read(mut self) -> Result<Answer, String> {
        let (status, headers) = (self.answer.status(), std::mem::take(self.answer.headers_mut()));
        let read = timeout(ANSWER_LIMIT, Limited::new(self.answer.body_mut(), SIZE_MAX).collect()).await;
        let body = read.map_err(|_| "the answer didn't end in time".to_owned())?.map_err(|error| error.to_string())?;
        Ok(Answer { status, headers, body: body.to_bytes() })
    }
}

/// Sends a request, and reads the head of the answer.
pub(crate) async fn open(tls: &TlsConnector, request: Request) -> Result<Opened, String> {
    let host = request.url.host_str().ok_or("the address has no host")?.trim_matches(['[', ']']).to_owned();
    let port = request.url.port_or_known_default().ok_or("the address has no port")?;
    let late = || format!("no connection was made within {} seconds", CONNECT_LIMIT.as_secs());
    let socket = timeout(CONNECT_LIMIT, TcpStream::connect((host.as_str(), port))).await.map_err(|_| late())?;
    let socket = socket.map_err(|error| error.to_string())?;
    // Fails for a socket that is broken already.
    let _ = socket.set_nodelay(true);
    if request.url.scheme() == "http" {
        return exchange(socket, request).await;
    }
    let name = ServerName::try_from(host).map_err(|_| "no certificate can name the host")?;
    let stream = timeout(CONNECT_LIMIT, tls.connect(name, socket)).await.map_err(|_| late())?;
    exchange(stream.map_err(|error| error.to_string())?, request).await
}

/// Sends a request, and reads the whole answer.
pub(crate) async fn send(tls: &TlsConnector, request: Request) -> Result<Answer, String> {
    open(tls, request).await?.read().await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request,
) -> Result<Opened, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| with_causes(&error))?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // The reader of the answer gets the error of a broken connection.
        let _ = connection.await;
    });
    let mut builder = HttpRequest::builder()
        .method(request.method)
        .uri(&request.url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, &request.url[Position::BeforeHost..Position::AfterPort])
        .header(header::ACCEPT, request.accept)
        .header(header::USER_AGENT, concat!("packwright-cli/", env!("CARGO_PKG_VERSION")));
    if !request.body.is_empty() {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
    }
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let built = builder.body(Full::new(request.body)).map_err(|error| error.to_string())?;
    let answer = timeout(ANSWER_LIMIT, sender.send_request(built)).await;
    let answer = answer.map_err(|_| format!("no answer came within {} seconds", ANSWER_LIMIT.as_secs()))?;
    Ok(Opened { answer: answer.map_err(|error| with_causes(&error))?, _driver: driver })
}

/// An error with its causes: hyper's own text leaves them out.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
