//! A GraphQL request, as all transports give it to the engine.

use async_graphql::Request;
use serde_json::{Map, Value};

use crate::traces::Context;

/// A parsed request. Its parts have the right JSON types, but nothing else was checked.
#[derive(Clone, Debug, Default)]
pub struct GraphqlRequest {
    /// The document's text; `None` when the client names a stored document.
    pub query: Option<String>,
    /// The name of the operation to execute. An empty name means no name.
    pub operation_name: Option<String>,
    pub variables: Map<String, Value>,
    /// The request's extensions, such as `persistedQuery`.
    pub extensions: Map<String, Value>,
    /// The id of a stored document: the parameter `documentId`, `id` or `doc_id`.
    pub document_id: Option<String>,
    /// The span of the client to which the request belongs.
    pub trace: Option<Context>,
}

/// For callers within the process, which send their own documents.
impl From<Request> for GraphqlRequest {
    fn from(request: Request) -> Self {
        let variables = match serde_json::to_value(&request.variables) {
            Ok(Value::Object(variables)) => variables,
            // The framework's variables always serialize to an object.
            _ => Map::new(),
        };
        Self { query: Some(request.query), operation_name: request.operation_name, variables, ..Self::default() }
    }
}
