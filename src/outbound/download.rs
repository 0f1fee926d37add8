//! Downloads a small document over HTTP: one request on one connection, without redirects and proxies, with limits on
//! time and size.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use super::tls::{connector, server_name};

/// The time limit of the whole download.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of the document that are read.
const SIZE_MAX: usize = 1024 * 1024;
/// The most bytes of the answer's head.
const HEAD_MAX: usize = 64 * 1024;

/// Downloads a document from an `http` or `https` URL. `accept` is the media type that the request asks for.
///
/// # Errors
/// A text that says why the document wasn't downloaded.
pub(crate) async fn download(url: &Url, accept: &'static str) -> Result<Vec<u8>, String> {
    let got = tokio::time::timeout(TIMEOUT, connect_and_get(url, accept)).await;
    got.map_err(|_| format!("the document did not arrive within {} seconds", TIMEOUT.as_secs()))?
}

async fn connect_and_get(url: &Url, accept: &'static str) -> Result<Vec<u8>, String> {
    let host = url.host_str().ok_or("the address has no host")?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().ok_or("the address has no port")?;
    let socket = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
    if url.scheme() == "http" {
        return exchange(url, accept, socket).await;
    }
    let name = server_name(&host).ok_or("no certificate can name the host")?;
    let stream = connector(&[])?.connect(name, socket).await.map_err(|error| error.to_string())?;
    exchange(url, accept, stream).await
}

/// Sends one request over a connection, and reads the document. Any status but 200 is an error, so redirects aren't
/// followed.
pub(super) async fn exchange(
    url: &Url,
    accept: &'static str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Vec<u8>, String> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Dropping the set at the end of this function closes the connection.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(header::HOST, authority)
        .header(header::ACCEPT, accept)
        .header(header::USER_AGENT, concat!("packwright/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != hyper::StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), SIZE_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes().to_vec())
}
