//! A collector of traces, and an app that sends to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use packwright::metrics::Metrics;
use packwright::traces::{TraceSettings, Traces};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{At, Setup, TestApp};

/// How long a test waits for something that a correct server does soon.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// What a collector answers to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// A status with a body, or further headers.
    Status(u16, &'static str, &'static str),
    /// Nothing, ever.
    Silence,
}

#[derive(Default)]
struct State {
    heads: Vec<String>,
    bodies: Vec<String>,
    connections: usize,
    answers: VecDeque<Answer>,
    otherwise: Option<Answer>,
}

/// A collector on loopback. It takes everything unless it is told otherwise.
#[derive(Clone)]
pub(crate) struct Collector {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = Self { port, state: Arc::default() };
        let collector = this.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                collector.state().connections += 1;
                tokio::spawn(collector.clone().serve(socket));
            }
        });
        this
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address that a server is configured with.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn serve(self, mut socket: TcpStream) {
        let mut bytes = Vec::new();
        while let Some((head, body)) = read(&mut socket, &mut bytes).await {
            let answer = {
                let mut state = self.state();
                state.heads.push(head);
                state.bodies.push(body);
                let otherwise = state.otherwise;
                state.answers.pop_front().or(otherwise).unwrap_or(Answer::Status(200, "", "{}"))
            };
            let Answer::Status(status, headers, body) = answer else {
                // Ends when the sender gives up.
                let _ = socket.read(&mut [0; 16]).await;
                return;
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    }

    /// Answers the next requests so.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.extend(answers);
    }

    /// Answers so from now on.
    pub(crate) fn otherwise(&self, answer: Answer) {
        self.state().otherwise = Some(answer);
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.state().heads.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// Everything that was received, as text.
    pub(crate) fn text(&self) -> String {
        let state = self.state();
        [&state.heads[..], &state.bodies[..]].concat().join("\n")
    }

    /// The resource of the first request.
    pub(crate) fn resource(&self) -> Value {
        let body: Value = serde_json::from_str(&self.state().bodies[0]).expect("JSON");
        body.at("/resourceSpans/0/resource").clone()
    }

    pub(crate) fn spans(&self) -> Vec<Value> {
        let bodies = self.state().bodies.clone();
        let read = |body: &String| {
            let body: Value = serde_json::from_str(body).expect("JSON");
            body.list("/resourceSpans/0/scopeSpans/0/spans").to_vec()
        };
        bodies.iter().flat_map(read).collect()
    }

    /// Waits until the spans are as a test needs them.
    pub(crate) async fn until(&self, what: &str, is_there: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let waiting = async {
            loop {
                let spans = self.spans();
                if is_there(&spans) {
                    return spans;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(TIME_LIMIT, waiting).await;
        waited.unwrap_or_else(|_| panic!("{what} never comes: {:#?}", self.spans()))
    }
}

/// Reads a request; `bytes` has what follows it.
async fn read(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String)> {
    let mut buffer = vec![0; 65_536];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
            let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok();
            let length = head.lines().find_map(length).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).ok()?;
                bytes.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        let read = socket.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// The value of a span's attribute; null if it has none of the name.
pub(crate) fn attribute(span: &Value, name: &str) -> Value {
    let found = span.list("/attributes").iter().find(|attribute| attribute.text("/key") == name);
    let value = found.map(|attribute| attribute.at("/value").as_object().expect("a value"));
    value.and_then(|value| value.values().next()).cloned().unwrap_or_default()
}

/// An app whose traces are sent to a collector.
pub(crate) struct Traced {
    pub(crate) app: TestApp,
    pub(crate) collector: Collector,
    sending: Sending,
}

/// The task that sends spans to a collector.
pub(crate) struct Sending {
    collector: Collector,
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Sending {
    /// Sends what is left.
    pub(crate) async fn end(self) -> Collector {
        self.end.send_replace(true);
        tokio::time::timeout(TIME_LIMIT, self.task).await.expect("the exporter ends").expect("it ends well");
        self.collector
    }
}

impl Traced {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default(), |settings| settings).await
    }

    pub(crate) async fn with(setup: Setup, change: impl FnOnce(TraceSettings) -> TraceSettings) -> Self {
        let collector = Collector::start().await;
        let endpoint = packwright::config::otlp_endpoint(&collector.url()).expect("an address");
        let settings = TraceSettings { delay: Duration::from_millis(20), ..TraceSettings::new(endpoint) };
        let metrics = Arc::new(Metrics::on());
        let (traces, exporter) = Traces::on(change(settings), metrics.clone()).expect("traces");
        let app = TestApp::with(Setup { traces: Some((traces, metrics)), ..setup }).await;
        let (end, ending) = watch::channel(false);
        let sending = Sending { collector: collector.clone(), end, task: tokio::spawn(exporter.run(ending)) };
        Self { app, collector, sending }
    }

    pub(crate) fn split(self) -> (TestApp, Sending) {
        (self.app, self.sending)
    }

    /// Sends what is left.
    pub(crate) async fn end(self) -> (TestApp, Collector) {
        (self.app, self.sending.end().await)
    }

    /// How many spans there were of each outcome.
    pub(crate) async fn counts(app: &TestApp) -> [f64; 4] {
        let scrape = crate::metrics::scrape(app).await;
        ["exported", "dropped", "lost", "refused"]
            .map(|outcome| scrape.get(&format!("packwright_trace_spans_total{{outcome=\"{outcome}\"}}")))
    }
}
