//! Executes documents: the one way to the schema, for every transport.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Request, Response, ServerError, Variables};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::gate::OperationKind;
use crate::graphql::{PackwrightSchema, Place};
use crate::service::Shared;
use crate::service::access::{Caller, Viewer};
use crate::service::error::Failure;

use super::answer::{Answer, Phase, never_began, set_code, with_codes};
use super::document;
use super::request::GraphqlRequest;

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

/// A request that may be executed.
pub struct Admitted {
    kind: OperationKind,
    request: Request,
}

impl Admitted {
    /// What the operation does that is asked for.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// With an account of where a subscription is in the event log.
    #[must_use]
    pub fn at(mut self, place: Arc<Place>) -> Self {
        self.request = self.request.data(place);
        self
    }
}

impl Engine {
    /// Passes a request of `caller` through the gate. Nothing is executed; what may come is known then.
    ///
    /// # Errors
    /// The answer for a request that is refused, [`Phase::Refused`] or [`Phase::Limited`].
    pub fn admit(&self, _caller: &Caller, asked: GraphqlRequest) -> Result<Admitted, Box<Answer>> {
        let Some(query) = asked.query else {
            return Err(Box::new(Answer::refused("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")));
        };
        let mut request = Request::new(query).variables(Variables::from_json(asked.variables.into()));
        request.operation_name = asked.operation_name.filter(|name| !name.is_empty());
        admit(&mut request)?;
        // An operation that isn't there is refused when it is executed.
        let kind = operation_kind(&mut request).unwrap_or(OperationKind::Query);
        Ok(Admitted { kind, request })
    }

    /// Executes a query or a mutation. A fault of ours names `request_id`.
    pub async fn execute(&self, caller: Caller, request_id: &str, admitted: Admitted) -> Answer {
        let prepared = (self.prepare)(admitted.request, caller);
        match AssertUnwindSafe(self.schema.execute(prepared)).catch_unwind().await {
            Ok(response) => executed(response),
            // The panic's own text has gone to the log through the panic hook.
            Err(_) => Answer::failed(&Failure::bug("a resolver panicked"), request_id),
        }
    }

    /// Executes an operation of any kind as a stream of answers; a query's or mutation's has one. A
    /// subscription ends with an error when its token is revoked or expires, or its account is
    /// suspended: asked before each item, and every few seconds.
    pub fn execute_stream(&self, caller: Caller, request_id: &str, admitted: Admitted) -> BoxStream<'static, Answer> {
        let request_id = request_id.to_owned();
        let viewer = match &caller {
            Caller::Viewer(viewer) if admitted.kind == OperationKind::Subscription => Some(viewer.clone()),
            _ => None,
        };
        let answers = self.schema.execute_stream((self.prepare)(admitted.request, caller));
        let answers = AssertUnwindSafe(answers).catch_unwind().map(move |answer| match answer {
            Ok(response) => executed(response),
            Err(_) => Answer::failed(&Failure::bug("a subscription panicked"), &request_id),
        });
        match viewer {
            Some(viewer) => while_welcome(self.services.clone(), *viewer, answers.boxed()),
            None => answers.boxed(),
        }
    }
}

/// Parses a document, once nothing in it can do harm.
fn admit(request: &mut Request) -> Result<(), Box<Answer>> {
    let refused = |code, why: String| Box::new(Answer::refused(code, why));
    document::check_nesting(&request.query).map_err(|why| refused("GRAPHQL_PARSE_FAILED", why))?;
    let parsed = request.parsed_query().map_err(|error| Box::new(parse_error(error)))?;
    document::check_size(parsed).map_err(|why| refused("GRAPHQL_VALIDATION_FAILED", why))
}

/// Passes `answers` on as long as the viewer's token opens the door.
fn while_welcome(
    services: Shared,
    viewer: Viewer,
    mut answers: BoxStream<'static, Answer>,
) -> BoxStream<'static, Answer> {
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
            yield Answer::failed(&refused, viewer.request_id.as_deref().unwrap_or_default());
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

/// What the operation does that `operationName` picks. `None` when there is no such operation.
fn operation_kind(request: &mut Request) -> Option<OperationKind> {
    let name = request.operation_name.clone();
    let document: &ExecutableDocument = request.parsed_query().ok()?;
    let picked = match (&document.operations, name) {
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
    };
    picked.map(|kind| match kind {
        OperationType::Query => OperationKind::Query,
        OperationType::Mutation => OperationKind::Mutation,
        OperationType::Subscription => OperationKind::Subscription,
    })
}

/// The longest message of a parser that is passed on: it quotes the line at fault, however long.
const MESSAGE_MAX: usize = 300;

fn parse_error(mut error: ServerError) -> Answer {
    if let Some((end, _)) = error.message.char_indices().nth(MESSAGE_MAX) {
        error.message.truncate(end);
        error.message.push('…');
    }
    set_code(&mut error, "GRAPHQL_PARSE_FAILED");
    Answer::new(Phase::Refused, Response::from_errors(vec![error]))
}

/// What the framework answered.
fn executed(response: Response) -> Answer {
    if never_began(&response) {
        Answer::new(Phase::Refused, with_codes(response, "GRAPHQL_VALIDATION_FAILED"))
    } else {
        // What the framework refuses while it executes is an argument that it can't read.
        Answer::new(Phase::Executed, with_codes(response, "BAD_USER_INPUT"))
    }
}
