//! What a client asks for, as every transport hands it to the engine.

use async_graphql::Request;
use serde_json::{Map, Value};

/// A request as it came: its parts have the right JSON types, and nothing more is known of them.
#[derive(Clone, Debug, Default)]
pub struct GraphqlRequest {
    /// The document's text; `None` when the client names a document that the server has.
    pub query: Option<String>,
    /// Which of the document's operations; an empty name is as good as none.
    pub operation_name: Option<String>,
    /// The variables' values.
    pub variables: Map<String, Value>,
    /// What the client says beside: `persistedQuery`.
    pub extensions: Map<String, Value>,
    /// The id of a document that the server has: a parameter `documentId`, or `id`, or `doc_id`.
    pub document_id: Option<String>,
}

/// For callers within the process, that write their documents themselves.
impl From<Request> for GraphqlRequest {
    fn from(request: Request) -> Self {
        let variables = match serde_json::to_value(&request.variables) {
            Ok(Value::Object(variables)) => variables,
            // Variables are an object of JSON values.
            _ => Map::new(),
        };
        Self { query: Some(request.query), operation_name: request.operation_name, variables, ..Self::default() }
    }
}
