//! The messages of `graphql-transport-ws`, from the client and from the server.

use async_graphql::ServerError;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::http::answer::Answer;
use crate::http::params;
use crate::http::request::GraphqlRequest;

/// The most bytes of an operation's id. The server keeps the ids of running operations.
pub const ID_MAX: usize = 1_024;

/// The JSON object in a message.
pub type Payload = Map<String, Value>;

/// A message from the client.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    ConnectionInit(Option<Payload>),
    Ping(Option<Payload>),
    Pong,
    Subscribe { id: String, request: Box<GraphqlRequest> },
    Complete { id: String },
}

/// Why a text isn't a valid message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

fn invalid<T>(why: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(why.into()))
}

impl ClientMessage {
    /// Parses a client's message. Unknown fields are ignored.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(text.strip_prefix(params::BOM).unwrap_or(text))
        else {
            return invalid("A message must be a JSON object");
        };
        let payload = message.remove("payload");
        let Some(Value::String(kind)) = message.remove("type") else {
            return invalid("A message must have a type");
        };
        match kind.as_str() {
            "connection_init" => Ok(Self::ConnectionInit(optional(payload)?)),
            "ping" => Ok(Self::Ping(optional(payload)?)),
            "pong" => optional(payload).map(|_| Self::Pong),
            "subscribe" => Ok(Self::Subscribe { id: id(&mut message)?, request: request(payload)? }),
            "complete" => Ok(Self::Complete { id: id(&mut message)? }),
            "connection_ack" | "next" | "error" => invalid(format!("Only the server sends {kind}")),
            _ => invalid("The type of the message is unknown"),
        }
    }
}

fn optional(payload: Option<Value>) -> Result<Option<Payload>, Invalid> {
    match payload {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(payload)) => Ok(Some(payload)),
        Some(_) => invalid("A payload must be an object"),
    }
}

fn id(message: &mut Payload) -> Result<String, Invalid> {
    match message.remove("id") {
        Some(Value::String(id)) if id.len() > ID_MAX => invalid(format!("An id has at most {ID_MAX} bytes")),
        Some(Value::String(id)) if !id.is_empty() => Ok(id),
        _ => invalid("The message must have an id, a text that isn't empty"),
    }
}

fn request(payload: Option<Value>) -> Result<Box<GraphqlRequest>, Invalid> {
    match payload {
        Some(payload @ Value::Object(_)) => {
            params::from_json(payload).map(Box::new).map_err(|malformed| Invalid(malformed.message))
        }
        _ => invalid("subscribe must have a payload, an object"),
    }
}

/// A message from the server. Answers are serialized directly, so that their fields keep the order of the document.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    ConnectionAck,
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a Payload>,
    },
    Next {
        id: &'a str,
        payload: &'a Answer,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}
