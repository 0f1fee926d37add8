//! Parses the parameters of a GraphQL request: from a body, a query string or a WebSocket message.

use serde_json::{Map, Value};

use super::request::GraphqlRequest;

/// A byte order mark, which RFC 8259 lets parsers of JSON ignore.
pub(super) const BOM: &str = "\u{feff}";

/// The parameters that select a document; `extensions` may contain a document's hash.
pub(super) const NAME_A_DOCUMENT: &[&str] = &["query", "extensions", "documentId", "id", "doc_id"];

/// The error for input that isn't a valid GraphQL request.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) code: &'static str,
    pub(super) message: String,
}

fn malformed(message: impl Into<String>) -> Malformed {
    Malformed { code: "BAD_USER_INPUT", message: message.into() }
}

/// Parses a body: one JSON object, after an optional byte order mark.
pub(super) fn from_body(body: &[u8]) -> Result<GraphqlRequest, Malformed> {
    match serde_json::from_slice(body.strip_prefix(BOM.as_bytes()).unwrap_or(body)) {
        Ok(value) => from_json(value),
        Err(error) => Err(malformed(format!("The body isn't JSON: line {}, column {}.", error.line(), error.column()))),
    }
}

/// Reads the parameters from parsed JSON.
pub(super) fn from_json(value: Value) -> Result<GraphqlRequest, Malformed> {
    let mut object = match value {
        Value::Object(object) => object,
        Value::Array(list) if list.is_empty() => return Err(malformed("The body is an empty list; send one request.")),
        Value::Array(_) => return Err(malformed("Batches are not served; send one request at a time.")),
        _ => return Err(malformed("Send a JSON object with a `query`.")),
    };
    let extensions = optional_object(&mut object, "extensions")?;
    let document_id = document_id(&mut object)?;
    let query = match object.remove("query") {
        Some(Value::String(query)) => Some(query),
        Some(Value::Null) | None if document_id.is_some() || extensions.contains_key("persistedQuery") => None,
        Some(Value::Null) | None => return Err(malformed("`query` is missing.")),
        Some(_) => return Err(malformed("`query` must be a string.")),
    };
    let operation_name = optional_string(&mut object, "operationName")?;
    let variables = optional_object(&mut object, "variables")?;
    Ok(GraphqlRequest { query, operation_name, variables, extensions, document_id, trace: None })
}

/// The id of a stored document. The appendix of GraphQL over HTTP defines `documentId`. Relay clients send `id` or
/// `doc_id`; next to a `query` these have another meaning, and are ignored.
fn document_id(object: &mut Map<String, Value>) -> Result<Option<String>, Malformed> {
    let has_query = object.get("query").is_some_and(|query| !query.is_null());
    let others: &[&str] = if has_query { &[] } else { &["id", "doc_id"] };
    for name in ["documentId"].iter().chain(others) {
        if let Some(id) = optional_string(object, name)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

fn optional_string(object: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Malformed> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(format!("`{name}` must be a string."))),
    }
}

fn optional_object(object: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Malformed> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(_) => Err(malformed(format!("`{name}` must be an object."))),
    }
}

/// Parses a query string.
pub(super) fn from_address(query: &str) -> Result<GraphqlRequest, Malformed> {
    let mut object = Map::new();
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match &*name {
            "query" | "operationName" | "documentId" | "id" | "doc_id" => Value::String(text.into_owned()),
            "variables" | "extensions" if text.is_empty() => Value::Null,
            "variables" | "extensions" => serde_json::from_str(text.strip_prefix(BOM).unwrap_or(&text))
                .map_err(|_| malformed(format!("`{name}` must be JSON.")))?,
            _ => continue,
        };
        if object.insert(name.clone().into_owned(), value).is_some() {
            return Err(malformed(format!("`{name}` is given twice.")));
        }
    }
    from_json(Value::Object(object))
}
