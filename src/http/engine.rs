//! Executes documents: the one way to the schema, for every transport.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::gate::{Checked, Gate, Objection, OperationKind, Prepared, Wanted};
use crate::graphql::{self, Held, PackwrightSchema, Panics, Place};
use crate::service::Shared;
use crate::service::access::{Caller, Viewer};
use crate::service::error::Failure;

use super::allowance::Allowances;
use super::answer::{Allowance, Answer, Phase, never_began, set, set_code, with_codes};
use super::options::EngineOptions;
use super::request::GraphqlRequest;

/// How often an open subscription asks whether its token still opens the door.
const WELCOME_CHECK: Duration = Duration::from_secs(5);

/// Gives a request what its resolvers need.
pub type Prepare = Box<dyn Fn(Request, Caller) -> (Request, Held) + Send + Sync>;

/// Says whether the server can serve, and if not, why: a sentence that everybody may read.
pub type Readiness = Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The schema with all that executing takes.
pub struct Engine {
    pub services: Shared,
    pub readiness: Readiness,
    schema: PackwrightSchema,
    prepare: Prepare,
    gate: Gate,
    allowances: Option<Allowances>,
    execution_limit: Duration,
    told: Told,
}

/// How much of what went wrong an answer tells.
#[derive(Clone, Copy)]
struct Told {
    errors: usize,
    message: usize,
}

impl Told {
    fn of(self, answer: Answer) -> Answer {
        answer.bounded(self.errors, self.message)
    }
}

/// A request that may be executed.
pub struct Admitted {
    checked: Arc<Checked>,
    prepared: Prepared,
    allowance: Option<Allowance>,
    place: Option<Arc<Place>>,
}

impl Admitted {
    /// What the operation does that is asked for.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.prepared.kind
    }

    /// What its token may still ask for; `None` where requests are not limited.
    #[must_use]
    pub fn allowance(&self) -> Option<Allowance> {
        self.allowance
    }

    /// Whether the document was printed otherwise than it was written.
    fn is_moved(&self) -> bool {
        self.checked.verdict.as_ref().is_ok_and(|document| document.is_moved)
    }

    /// With an account of where a subscription is in the event log.
    #[must_use]
    pub fn at(mut self, place: Arc<Place>) -> Self {
        self.place = Some(place);
        self
    }
}

impl Engine {
    /// Over a schema, with a gate before it.
    ///
    /// # Errors
    /// When the gate can't read the schema's own text.
    pub fn new(
        schema: PackwrightSchema,
        services: Shared,
        prepare: Prepare,
        readiness: Readiness,
        options: EngineOptions,
    ) -> Result<Self, String> {
        let gate = Gate::new(&schema.sdl(), graphql::FACTS, options.documents, options.stored)?;
        let allowances = options.cost_per_minute.map(Allowances::new);
        let told = Told { errors: options.errors, message: options.message };
        Ok(Self { services, readiness, schema, prepare, gate, allowances, execution_limit: options.execution, told })
    }

    /// Passes a request of `caller` through the gate, and charges its token for it. Nothing is executed;
    /// what may come is known then.
    ///
    /// # Errors
    /// The answer for a request that is refused, [`Phase::Refused`] or [`Phase::Limited`].
    pub fn admit(&self, caller: &Caller, asked: GraphqlRequest) -> Result<Admitted, Box<Answer>> {
        self.admit_unbounded(caller, asked).map_err(|answer| Box::new(self.told.of(*answer)))
    }

    fn admit_unbounded(&self, caller: &Caller, asked: GraphqlRequest) -> Result<Admitted, Box<Answer>> {
        let wanted = Wanted {
            text: asked.query.as_deref(),
            id: asked.document_id.as_deref(),
            extensions: Some(&asked.extensions),
        };
        let checked = self.gate.find(wanted).map_err(|objection| refused(&[objection]))?;
        let document = checked.verdict.as_ref().map_err(|objections| refused(objections))?;
        // GraphQL over HTTP: an empty name is as good as none.
        let operation_name = asked.operation_name.as_deref().filter(|name| !name.is_empty());
        let prepared =
            self.gate.prepare(document, operation_name, asked.variables).map_err(|objections| refused(&objections))?;
        let allowance = self.charge(caller, &prepared)?;
        Ok(Admitted { checked, prepared, allowance, place: None })
    }

    fn charge(&self, caller: &Caller, prepared: &Prepared) -> Result<Option<Allowance>, Box<Answer>> {
        let (Some(allowances), Caller::Viewer(viewer)) = (&self.allowances, caller) else { return Ok(None) };
        let charged = allowances.charge(viewer.token.id.into(), prepared.cost, tokio::time::Instant::now());
        charged.map(Some).map_err(|allowance| Box::new(limited(prepared.cost, allowance)))
    }

    /// Executes a query or a mutation, for as long as one may take. A fault of ours names `request_id`.
    pub async fn execute(&self, caller: Caller, request_id: &str, admitted: Admitted) -> Answer {
        let kind = admitted.kind();
        let panics = Panics::default();
        let (request, _) = self.request(caller, &admitted, &panics);
        let executed = AssertUnwindSafe(self.schema.execute(request)).catch_unwind();
        let mut answer = match tokio::time::timeout(self.execution_limit, executed).await {
            Ok(Ok(response)) => executed_answer(response, &panics, request_id),
            // The panic's own text has gone to the log through the panic hook.
            Ok(Err(_)) => Answer::failed(&Failure::bug("the execution panicked"), request_id),
            Err(_) => timed_out(kind, self.execution_limit),
        };
        if admitted.is_moved() {
            forget_places(&mut answer);
        }
        self.tell_cost(&mut answer, &admitted);
        self.told.of(answer)
    }

    /// Executes an operation of any kind as a stream of answers; a query's or mutation's has one. A
    /// subscription ends with an error when its token is revoked or expires, or its account is
    /// suspended: asked before each item, and every few seconds.
    pub fn execute_stream(
        self: &Arc<Self>,
        caller: Caller,
        request_id: &str,
        admitted: Admitted,
    ) -> BoxStream<'static, Answer> {
        let request_id = request_id.to_owned();
        if admitted.kind() != OperationKind::Subscription {
            let engine = self.clone();
            return async move { engine.execute(caller, &request_id, admitted).await }.into_stream().boxed();
        }
        let viewer = match &caller {
            Caller::Viewer(viewer) => Some(viewer.clone()),
            _ => None,
        };
        let panics = Panics::default();
        let (request, held) = self.request(caller, &admitted, &panics);
        // What is read before the first event is read for itself.
        held.release();
        let answers = self.schema.execute_stream(request);
        let (mut is_first, is_moved, told) = (true, admitted.is_moved(), self.told);
        let answers = AssertUnwindSafe(answers).catch_unwind().map(move |answer| match answer {
            Ok(response) => {
                // Nothing is held while the listener takes it, and until there is something new.
                held.release();
                let never_subscribed = std::mem::take(&mut is_first) && never_subscribed(&response);
                let mut answer = executed_answer(response, &panics, &request_id);
                if is_moved {
                    forget_places(&mut answer);
                }
                told.of(if never_subscribed { Answer { phase: Phase::Refused, ..answer } } else { answer })
            }
            Err(_) => told.of(Answer::failed(&Failure::bug("a subscription panicked"), &request_id)),
        });
        match viewer {
            Some(viewer) => while_welcome(self.services.clone(), *viewer, answers.boxed()),
            None => answers.boxed(),
        }
    }

    /// What the framework is given: the document as the gate printed it.
    fn request(&self, caller: Caller, admitted: &Admitted, panics: &Panics) -> (Request, Held) {
        let Admitted { checked, prepared, .. } = admitted;
        let printed = checked.verdict.as_ref().map(|document| document.printed.clone()).unwrap_or_default();
        let mut request = Request::new(printed)
            .variables(Variables::from_json(prepared.variables.clone().into()))
            .data(panics.clone());
        if let Some(place) = &admitted.place {
            request = request.data(place.clone());
        }
        request.operation_name.clone_from(&prepared.operation_name);
        (self.prepare)(request, caller)
    }

    /// `extensions.cost`: what the request was counted as, and what its token may still ask for. Of what is
    /// free nothing is told.
    fn tell_cost(&self, answer: &mut Answer, admitted: &Admitted) {
        answer.allowance = admitted.allowance;
        if admitted.prepared.cost == 0 {
            return;
        }
        let mut cost = serde_json::json!({ "requested": admitted.prepared.cost, "limit": self.gate.limits().cost });
        if let Some(allowance) = admitted.allowance {
            cost["remaining"] = allowance.remaining.into();
            cost["perMinute"] = allowance.limit.into();
            cost["resetSeconds"] = allowance.reset_seconds.into();
        }
        answer.response.extensions.insert("cost".into(), Value::from_json(cost).unwrap_or_default());
    }
}

/// The answer to a request that the gate refuses.
fn refused(objections: &[Objection]) -> Box<Answer> {
    let error = |objection: &Objection| {
        let mut error = ServerError::new(&objection.message, None);
        let pos = |at: crate::gate::Location| async_graphql::Pos { line: at.line, column: at.column };
        error.locations.extend(objection.location.map(pos));
        set_code(&mut error, objection.code.as_str());
        if let Some((limit, requested)) = objection.bound {
            set(&mut error, "limit", limit);
            set(&mut error, "requested", requested);
        }
        error
    };
    Box::new(Answer::new(Phase::Refused, Response::from_errors(objections.iter().map(error).collect())))
}

/// The answer to a request that its token can't pay for now.
fn limited(cost: u64, allowance: Allowance) -> Answer {
    let wait = allowance.retry_after_seconds.unwrap_or_default();
    let message = format!(
        "The request costs {cost}, and of the {} that this token may ask for in a minute {} are left; try again in {wait} s.",
        allowance.limit, allowance.remaining
    );
    let mut answer = Answer::refused("RATE_LIMITED", message);
    for error in &mut answer.response.errors {
        set(error, "limit", allowance.limit);
        set(error, "requested", cost);
        set(error, "remaining", allowance.remaining);
        set(error, "retryAfterSeconds", wait);
    }
    Answer { phase: Phase::Limited, allowance: Some(allowance), ..answer }
}

/// The answer to a request that took too long. What was not committed by then is rolled back; a mutation
/// may have been, and only its answer be missing.
fn timed_out(kind: OperationKind, limit: Duration) -> Answer {
    let limit = limit.as_secs_f64();
    let message = match kind {
        OperationKind::Mutation => format!(
            "The mutation did not end within {limit} s. What it began was done as a whole or not at all: look before you send it again, or send it with the same clientRequestId."
        ),
        _ => format!("The operation did not end within {limit} s; ask for less at once."),
    };
    let mut answer = Answer::refused("TIMEOUT", message);
    for error in &mut answer.response.errors {
        set(error, "limitSeconds", limit);
    }
    Answer { phase: Phase::Executed, ..answer }
}

/// Whether the first answer of a subscription says that there is none: its field could not begin.
fn never_subscribed(response: &Response) -> bool {
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.len() <= 1)
}

/// Leaves out where errors stand: in a text that the client hasn't seen.
fn forget_places(answer: &mut Answer) {
    answer.response.errors.iter_mut().for_each(|error| error.locations.clear());
}

/// What the framework answered, with the errors of fields that panicked.
fn executed_answer(mut response: Response, panics: &Panics, request_id: &str) -> Answer {
    response.errors.extend(panics.take());
    let is_coded = |error: &ServerError| error.extensions.as_ref().is_some_and(|values| values.get("code").is_some());
    if never_began(&response) {
        if response.errors.iter().all(is_coded) {
            return Answer::new(Phase::Refused, response);
        }
        // What the gate lets pass, the framework reads: anything else is a fault of ours.
        let errors: Vec<&str> = response.errors.iter().map(|error| error.message.as_str()).collect();
        return Answer::failed(&Failure::bug(format!("the framework refused: {errors:?}")), request_id);
    }
    // What the framework refuses while it executes is an argument that it can't read.
    Answer::new(Phase::Executed, with_codes(response, "BAD_USER_INPUT", request_id))
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
                    Ok(()) | Err(Failure::Unavailable(_) | Failure::Unsettled(_) | Failure::Timeout(_)) => {}
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
