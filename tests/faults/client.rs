//! A client from outside: it takes every way in which a call can end, and repeats a call until it is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::rows::{code_of, refusal_of};
use crate::support::{Ask, At as _, input_type};

/// The longest time in which a server must answer: its own limit for an operation is 10 seconds, and a machine that does
/// other things needs more for the rest.
pub(crate) const LIMIT: Duration = Duration::from_secs(25);
/// The longest wait for something that must happen. Reached only if a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

/// The connection was refused or broken before the whole answer had come: the server is gone.
#[derive(Debug)]
pub(crate) struct Broken;

/// Sends a request on a connection of its own, and reads the answer.
///
/// # Panics
/// When a connected server doesn't answer within [`LIMIT`].
pub(crate) async fn ask(address: SocketAddr, ask: Ask) -> Result<Answer, Broken> {
    let asked = async {
        let mut socket = TcpStream::connect(address).await.ok()?;
        socket.write_all(&ask.with("connection", "close").bytes(address)).await.ok()?;
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).await.ok()?;
        parsed(&bytes)
    };
    tokio::time::timeout(LIMIT, asked).await.expect("an answer within the limit").ok_or(Broken)
}

/// A whole answer; `None` for a part of one.
fn parsed(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let mut found = head.split("\r\n").filter_map(|line| line.split_once(':'));
        found.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let body = &bytes[end + 4..];
    if header("content-length").is_some_and(|length| length.parse() != Ok(body.len())) {
        return None;
    }
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    Some(Answer { status, retry_after: header("retry-after"), body })
}

/// How a mutation ended that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Done(Value),
    /// A rule or a GraphQL error refused it. Has the code.
    Refused(String),
}

/// The request of a mutation.
pub(crate) fn mutation(token: &str, mutation: &str, input: &Value, selection: &str) -> Ask {
    let document = format!(
        "mutation($input: {}!) {{ {mutation}(input: $input) {{ {selection} errors {{ code }} }} }}",
        input_type(mutation)
    );
    Ask::post(&json!({ "query": document, "variables": { "input": input } })).token(token)
}

/// What an answer to a mutation says; `None` when it is to be repeated: the database is away, or a lock was waited for
/// too long.
///
/// # Panics
/// For a fault of the server's own, and for an error to be repeated that doesn't say when.
pub(crate) fn settled(answer: &Answer, mutation: &str) -> Option<Ended> {
    let Answer { status, retry_after, body } = answer;
    match code_of(body).as_deref() {
        None => {
            let payload = body.at(&format!("/data/{mutation}"));
            Some(refusal_of(payload).map_or_else(|| Ended::Done(payload.clone()), Ended::Refused))
        }
        Some("UNAVAILABLE" | "TIMEOUT" | "RATE_LIMITED") => {
            assert!(retry_after.is_some() || code_of(body).as_deref() == Some("TIMEOUT"), "{status} {body:#}");
            None
        }
        Some(code @ ("NOT_FOUND" | "FORBIDDEN")) => Some(Ended::Refused(code.into())),
        Some(_) => panic!("{mutation} was answered {status} {body:#}"),
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, within: Duration, mut seen: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !seen().await {
        assert!(begun.elapsed() < within, "{what} never came, in {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}
