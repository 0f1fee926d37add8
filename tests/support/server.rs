//! A server on a real listener, and a client that can also send malformed requests.

use std::net::SocketAddr;
use std::time::Duration;

use packwright::http::HttpOptions;
use packwright::http::connections::{self, ConnectionOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{At, TestApp};

/// How long to wait before the test fails. A correct server needs far less.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// A running server for an app. Dropping it ends the server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) end: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(app: &TestApp) -> Self {
        Self::with(app, HttpOptions::default(), ConnectionOptions::default()).await
    }

    /// Serves on a free port of the loopback interface.
    pub(crate) async fn with(app: &TestApp, http: HttpOptions, connections: ConnectionOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (end, ending) = watch::channel(false);
        let http = HttpOptions { listener: Some(address), shutdown: Some(ending.clone()), ..http };
        let router = app.app.router(http);
        let task = tokio::spawn(connections::serve(listener, router, connections, ending));
        Self { address, end, task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends a request on a new connection.
    pub(crate) async fn send(&self, ask: &Ask) -> Reply {
        self.raw(&ask.bytes(self.address)).await
    }

    /// Sends bytes on a new connection, and reads one answer.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut socket = self.connect().await;
        socket.write_all(bytes).await.expect("sent");
        Reply::read(&mut socket).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request, built header by header.
#[derive(Clone)]
pub(crate) struct Ask {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: None }
    }

    /// A GET of `/graphql` with these parameters.
    pub(crate) fn get(parameters: &[(&str, &str)]) -> Self {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        Self::new("GET", &format!("/graphql?{query}"))
    }

    /// A POST of JSON to `/graphql`.
    pub(crate) fn post(body: &Value) -> Self {
        Self::new("POST", "/graphql").with("content-type", "application/json").body(body.to_string())
    }

    /// A POST of a document to `/graphql`.
    pub(crate) fn query(query: &str) -> Self {
        Self::post(&json!({ "query": query }))
    }

    /// The same request with another path.
    pub(crate) fn to(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    /// The same request with a further header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn accept(self, value: &str) -> Self {
        self.with("accept", value)
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The bytes of the request. `host` is the server's address unless a header sets it.
    pub(crate) fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if !has("host") {
            text += &format!("host: {address}\r\n");
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = self.body.as_ref().filter(|_| !has("transfer-encoding") && !has("content-length")) {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Reads one answer. Bytes after it stay unread when its end is known.
    pub(crate) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Self {
        tokio::time::timeout(TIME_LIMIT, Self::read_patiently(socket)).await.expect("no answer came")
    }

    async fn read_patiently(socket: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut reply = Self::read_head(socket).await;
        if let Some(length) = reply.header("content-length") {
            reply.body = vec![0; length.parse().expect("a length")];
            socket.read_exact(&mut reply.body).await.expect("the whole body");
        } else if reply.header("transfer-encoding").is_some() {
            while let Some(chunk) = read_chunk(socket).await {
                reply.body.extend(chunk);
            }
        } else if reply.status != 101 && reply.status != 204 {
            socket.read_to_end(&mut reply.body).await.expect("the body to its end");
        }
        reply
    }

    /// Reads only the status and the headers.
    pub(crate) async fn read_head(socket: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.expect("the headers to their end"));
        }
        let head = String::from_utf8(head).expect("headers are ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: Vec::new() }
    }

    /// The value of a header. Several headers with the name are joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.iter().filter(|(own, _)| own == name).map(|(_, v)| v.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The names, in lower case, and the values of all headers.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body in UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} is no JSON", self.text()))
    }

    /// The code of the first error. The answer must have everything that a refusal needs, and show nothing internal.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        assert!(!json.text("/errors/0/message").is_empty(), "{json:#}");
        for inside in ["panicked", "src/", ".rs", "SELECT ", "Some(", "sqlx", "sea_orm", "Did you mean"] {
            assert!(!self.text().contains(inside), "{json:#}");
        }
        json.text("/errors/0/extensions/code")
    }
}

/// Reads one chunk of a chunked body; `None` for the last one.
pub(crate) async fn read_chunk(socket: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(socket.read_u8().await.ok()?);
    }
    let length = usize::from_str_radix(std::str::from_utf8(&line).expect("ASCII").trim(), 16).expect("a length");
    let mut chunk = vec![0; length + 2];
    socket.read_exact(&mut chunk).await.ok()?;
    chunk.truncate(length);
    (length > 0).then_some(chunk)
}
