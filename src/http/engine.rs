//! Executes documents: the one way to the schema, for every transport.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{ErrorExtensionValues, Request, Response, ServerError, Value};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::graphql::PackwrightSchema;
use crate::service::Shared;
use crate::service::access::{Caller, Viewer};
use crate::service::error::Failure;

use super::auth::failure_response;
use super::document;

/// How often an open subscription asks whether its token still opens the door.
const WELCOME_CHECK: Duration = Duration::from_secs(5);

/// Gives a request what its resolvers need.
pub type Prepare = Box<dyn Fn(Request, Caller) -> Request + Send + Sync>;

/// Says whether the server can serve, and if not, why: a sentence that everybody may read.
pub type Readiness = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The schema with all that executing takes.
pub struct Engine {
    pub schema: PackwrightSchema,
    pub services: Shared,
    pub prepare: Prepare,
    pub readiness: Readiness,
}

impl Engine {
    /// Executes a query or a mutation. A fault of ours names `request_id`.
    pub async fn execute(&self, caller: Caller, request_id: &str, mut request: Request) -> Response {
        if let Err(refused) = admit(&mut request) {
            return *refused;
        }
        let prepared = (self.prepare)(request, caller);
        match AssertUnwindSafe(self.schema.execute(prepared)).catch_unwind().await {
            Ok(response) => coded(response),
            // The panic's own text has gone to the log through the panic hook.
            Err(_) => failure_response(&Failure::bug("a resolver panicked"), request_id),
        }
    }

    /// Executes an operation of any kind as a stream of answers; a query's or mutation's has one. A
    /// subscription ends with an error when its token is revoked or expires, or its account is
    /// suspended: asked before each item, and every few seconds.
    pub fn execute_stream(
        &self,
        caller: Caller,
        request_id: &str,
        mut request: Request,
    ) -> BoxStream<'static, Response> {
        let operation = match admit(&mut request) {
            Err(refused) => return futures_util::stream::iter([*refused]).boxed(),
            Ok(()) => operation_type(&mut request),
        };
        let request_id = request_id.to_owned();
        let viewer = match &caller {
            Caller::Viewer(viewer) if operation == Some(OperationType::Subscription) => Some(viewer.clone()),
            _ => None,
        };
        let answers = self.schema.execute_stream((self.prepare)(request, caller));
        let answers = AssertUnwindSafe(answers).catch_unwind().map(move |answer| match answer {
            Ok(response) => coded(response),
            Err(_) => failure_response(&Failure::bug("a subscription panicked"), &request_id),
        });
        match viewer {
            Some(viewer) => while_welcome(self.services.clone(), *viewer, answers.boxed()),
            None => answers.boxed(),
        }
    }
}

/// Parses a document, once nothing in it can do harm.
fn admit(request: &mut Request) -> Result<(), Box<Response>> {
    document::check_nesting(&request.query).map_err(|why| Box::new(error_response("GRAPHQL_PARSE_FAILED", why)))?;
    let parsed = request.parsed_query().map_err(|error| Box::new(parse_error(error)))?;
    document::check_size(parsed).map_err(|why| Box::new(error_response("GRAPHQL_VALIDATION_FAILED", why)))
}

/// Passes `answers` on as long as the viewer's token opens the door.
fn while_welcome(
    services: Shared,
    viewer: Viewer,
    mut answers: BoxStream<'static, Response>,
) -> BoxStream<'static, Response> {
    async_stream::stream! {
        // In a task of its own: while it waits for a connection to the database, `answers`, that may hold
        // one, must go on.
        let mut dismissal = Watch::start(services.clone(), viewer.clone());
        loop {
            let refused = tokio::select! {
                answer = answers.next() => {
                    let Some(answer) = answer else { return };
                    // Between two answers the stream holds nothing.
                    match services.check_still_welcome(&viewer).await {
                        Ok(()) => {
                            yield answer;
                            continue;
                        }
                        Err(failure) => failure,
                    }
                }
                Ok(failure) = &mut dismissal.0 => failure,
            };
            yield failure_response(&refused, viewer.request_id.as_deref().unwrap_or_default());
            return;
        }
    }
    .boxed()
}

/// Asks every few seconds whether a viewer is still welcome; ends with why not.
struct Watch(tokio::task::JoinHandle<Failure>);

impl Watch {
    fn start(services: Shared, viewer: Viewer) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(WELCOME_CHECK).await;
                match services.check_still_welcome(&viewer).await {
                    // A database that can't be asked tells nothing: the next answer is checked anyway.
                    Ok(()) | Err(Failure::Unavailable(_)) => {}
                    Err(failure) => return failure,
                }
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What kind of operation a request asks for: the one that `operationName` picks. `None` when there
/// is no such operation, or the document can't be parsed.
pub(super) fn operation_type(request: &mut Request) -> Option<OperationType> {
    let name = request.operation_name.clone();
    let document: &ExecutableDocument = request.parsed_query().ok()?;
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation.node.ty),
        // A document whose one operation has a name is kept as `Multiple`.
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name.as_str()).map(|operation| operation.node.ty)
        }
        (DocumentOperations::Multiple(operations), None) => match operations.values().collect::<Vec<_>>()[..] {
            [operation] => Some(operation.node.ty),
            _ => None,
        },
    }
}

/// Whether execution never began: the answer then has no `data`, and its status says so.
pub(super) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.is_empty())
}

/// An answer that is one error with a code.
pub(super) fn error_response(code: &str, message: impl Into<String>) -> Response {
    let mut error = ServerError::new(message, None);
    set_code(&mut error, code);
    Response::from_errors(vec![error])
}

/// The longest message of a parser that is passed on: it quotes the line at fault, however long.
const MESSAGE_MAX: usize = 300;

fn parse_error(mut error: ServerError) -> Response {
    if let Some((end, _)) = error.message.char_indices().nth(MESSAGE_MAX) {
        error.message.truncate(end);
        error.message.push('…');
    }
    set_code(&mut error, "GRAPHQL_PARSE_FAILED");
    Response::from_errors(vec![error])
}

/// Gives a code to each error that the framework made: our own bring theirs.
fn coded(mut response: Response) -> Response {
    let before_execution = is_request_error(&response);
    for error in &mut response.errors {
        if error.extensions.as_ref().and_then(|values| values.get("code")).is_none() {
            // What the framework refuses while it executes is an argument that it can't read.
            set_code(error, if before_execution { "GRAPHQL_VALIDATION_FAILED" } else { "BAD_USER_INPUT" });
        }
    }
    response
}

fn set_code(error: &mut ServerError, code: &str) {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
}
