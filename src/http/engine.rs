//! Executes documents. All transports use the schema only through the engine.

use std::future::ready;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::Duration;

use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, poll_fn};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use crate::gate::{Gate, OperationKind, Stored};
use crate::graphql::{self, ConnectionHandle, PackwrightSchema, Panics};
use crate::metrics::{Metrics, Sample};
use crate::service::access::Caller;
use crate::service::error::Failure;
use crate::service::{Commits, Shared, on_behalf_of};
use crate::traces::{Place, within};

use super::admission::{self, Admitted};
use super::allowance::Allowances;
use super::answer::{Answer, Cost, Phase, never_began, with_codes};
use super::busy;
use super::event_turns::EventTurns;
use super::health::{LoggedReasons, NotReady};
use super::introspections::Introspections;
use super::measured::{self, Measured, OpenSubscription, operation_type};
use super::options::EngineOptions;
use super::parsed::{Document, Parsed};
use super::refusals::Refusals;
use super::shed::Shed;
use super::token_watch::while_token_valid;
use super::workload::{Busy, EventsOf, WorkPermit, Workload};

/// The divisor for the document cache's memory: introspection answers, and parsed documents, each get one such part.
const CACHE_PART: u64 = 4;
/// The extra time for an answer with a secret whose object may already be committed.
const SECRET_GRACE: Duration = Duration::from_secs(5);

/// Adds the data that resolvers need to a request.
pub type Prepare = Box<dyn Fn(Request, Arc<Caller>) -> (Request, ConnectionHandle) + Send + Sync>;

/// Finds out why the server isn't ready, beside its load.
pub type Readiness = Box<dyn Fn() -> BoxFuture<'static, Vec<NotReady>> + Send + Sync>;

/// Reads the samples that a scrape shows in addition to the metrics that the server counts.
pub type Scrape = Box<dyn Fn() -> BoxFuture<'static, Vec<Sample>> + Send + Sync>;

/// The schema with everything that executing needs.
pub struct Engine {
    pub services: Shared,
    pub(super) readiness: Readiness,
    pub(super) logged_reasons: LoggedReasons,
    pub(super) shed: Shed,
    pub(super) scrape: Scrape,
    pub(super) metrics: Arc<Metrics>,
    /// Whether only trusted documents are executed. Then the name of an operation is one of few.
    pub(super) has_trusted_names: bool,
    /// Becomes true when the server ends.
    pub(super) ending: OnceLock<watch::Receiver<bool>>,
    pub(super) schema: PackwrightSchema,
    prepare: Prepare,
    pub(super) gate: Gate,
    pub(super) allowances: Option<Allowances>,
    pub(super) peers: Option<Allowances<IpAddr>>,
    /// The charges for refused tokens. Separate from `peers`, so that requests without a token can't lock anybody out.
    pub(super) logins: Option<Allowances<IpAddr>>,
    pub(super) workload: Workload,
    pub(super) introspections: Introspections,
    pub(super) parsed: Parsed,
    /// Only one introspection that isn't cached runs at a time, because it keeps a processor busy.
    introspecting: Semaphore,
    execution_limit: Duration,
    slow: Duration,
    pub(super) error_limits: ErrorLimits,
    pub(super) refusals: Refusals,
}

/// The limits of an answer's errors.
#[derive(Clone, Copy)]
pub(super) struct ErrorLimits {
    errors: usize,
    message: usize,
}

impl ErrorLimits {
    /// The answer with at most as many errors, and messages of at most as many characters, as the limits allow.
    pub(super) fn apply(self, answer: Answer) -> Answer {
        answer.bounded(self.errors, self.message)
    }
}

impl Engine {
    /// An engine for a schema, with its gate.
    ///
    /// # Errors
    /// When the gate can't parse the schema's SDL.
    pub fn new(
        schema: PackwrightSchema,
        services: Shared,
        prepare: Prepare,
        readiness: Readiness,
        scrape: Scrape,
        options: EngineOptions,
    ) -> Result<Self, String> {
        let has_trusted_names = matches!(options.stored, Stored::Trusted(_));
        let part = options.documents.cache_bytes / CACHE_PART;
        let gate = Gate::new(&schema.sdl(), graphql::FACTS, options.documents, options.stored)?;
        let allowances = options.cost_per_minute.map(Allowances::new);
        let error_limits = ErrorLimits { errors: options.errors, message: options.message };
        Ok(Self {
            metrics: services.metrics.clone(),
            services,
            readiness,
            logged_reasons: LoggedReasons::default(),
            shed: options.shed,
            scrape,
            has_trusted_names,
            ending: OnceLock::new(),
            schema,
            prepare,
            gate,
            allowances,
            peers: options.peer_cost_per_minute.map(Allowances::new),
            logins: options.peer_cost_per_minute.map(Allowances::new),
            workload: Workload::new(options.work),
            introspections: Introspections::new(part),
            parsed: Parsed::new(part),
            introspecting: Semaphore::new(1),
            execution_limit: options.execution,
            slow: options.slow,
            error_limits,
            refusals: Refusals::default(),
        })
    }

    /// The schema's SDL.
    #[must_use]
    pub fn sdl(&self) -> String {
        self.schema.sdl()
    }

    /// Executes a query or a mutation when its owner has a turn, within the time limit. An internal error contains
    /// `request_id`.
    pub async fn execute(&self, caller: Caller, request_id: &str, admitted: Admitted) -> Answer {
        let (began, kind) = (Instant::now(), admitted.kind());
        let mut measured = Measured::begin(self, &admitted, began);
        let turn = match self.turn(&admitted).await {
            Ok(turn) => turn,
            Err(busy) => {
                self.note_shed(busy);
                return measured.end(busy::turned_away(busy, self.execution_limit));
            }
        };
        let active = self.metrics.operations_active.enter(operation_type(kind));
        let begins = Instant::now();
        let (caller, panics) = (Arc::new(caller), Panics::default());
        // A move of a future copies all of it. So futures are pinned in place, and rarely used ones are boxed.
        let work = pin!(async {
            match &admitted.introspection {
                Some(key) => Box::pin(self.introspect(key, &caller, request_id, &admitted, &panics)).await,
                None => self.resolve(&caller, request_id, &admitted, &panics).await,
            }
        });
        let span = measured::span(&caller, &admitted, &measured.trace);
        let work = within(measured.trace.place(), on_behalf_of(caller.account(), work)).instrument(span.clone());
        let mut answer = match self.in_time(work, begins, admitted.prepared.tells_a_secret).await {
            Some(answer) => answer,
            None => busy::timed_out(kind, self.execution_limit),
        };
        if admitted.is_moved() {
            remove_locations(&mut answer);
        }
        self.report_cost(&mut answer, &admitted);
        span.in_scope(|| {
            self.log_slow(&admitted, measured.took(), begins - began);
            self.log_refusal(&admitted, &answer);
        });
        answer.turn = turn;
        drop(active);
        measured.end(self.error_limits.apply(answer))
    }

    /// Waits for an answer up to the time limit, from `begins` on; `None` after it. An answer with a secret gets some more
    /// time if a commit was begun, because the object may exist then, and its secret can't be read again.
    async fn in_time(&self, work: impl Future<Output = Answer>, begins: Instant, has_secret: bool) -> Option<Answer> {
        let commits = Commits::default();
        let mut work = pin!(commits.watch(work));
        match timeout_at(begins + self.execution_limit, &mut work).await {
            Ok(answer) => Some(answer),
            Err(_) if has_secret && commits.has_begun() => timeout(SECRET_GRACE, work).await.ok(),
            Err(_) => None,
        }
    }

    async fn turn(&self, admitted: &Admitted) -> Result<Option<WorkPermit>, Busy> {
        let Some(owner) = admitted.owner else { return Ok(None) };
        let prepared = &admitted.prepared;
        let cost = prepared.cost.saturating_add(prepared.introspection_bytes / admission::BYTES_PER_COST_CACHED);
        let mutates = prepared.kind == OperationKind::Mutation;
        let _waiting = self.metrics.operations_waiting.enter(());
        self.workload.acquire(owner, mutates, cost, self.execution_limit).await.map(Some)
    }

    /// The answer to an introspection, which is the same each time, so it is cached.
    async fn introspect(
        &self,
        key: &[u8; 32],
        caller: &Arc<Caller>,
        request_id: &str,
        admitted: &Admitted,
        panics: &Panics,
    ) -> Answer {
        let make = async {
            // The semaphore is never closed.
            let _alone = self.introspecting.acquire().await;
            let answer = self.resolve(caller, request_id, admitted, panics).await;
            if answer.phase != Phase::Executed || !answer.response.errors.is_empty() {
                return Err(answer);
            }
            match serde_json::value::to_raw_value(&answer.response.data) {
                Ok(data) => Ok(Arc::from(data)),
                Err(_) => Err(answer),
            }
        };
        match self.introspections.get(key, make).await {
            Ok(data) => Answer { data: Some(data), ..Answer::new(Phase::Executed, Response::default()) },
            Err(answer) => answer,
        }
    }

    fn log_slow(&self, admitted: &Admitted, took: Duration, waited: Duration) {
        if took < self.slow {
            return;
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            kind = ?admitted.kind(),
            operation = measured::shown_name(admitted).unwrap_or_default(),
            cost = admitted.prepared.cost,
            took_ms = millis(took),
            waited_ms = millis(waited),
            "a slow operation"
        );
    }

    /// Executes an operation of any kind as a stream of answers; for a query or a mutation it has one. A subscription
    /// ends with an error when its token is revoked or expires, or its account is suspended. This is checked before
    /// each item, and every few seconds.
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
        let room = match self.reserve(admitted.owner, admitted.bytes()) {
            Ok(room) => room,
            Err(busy) => return futures_util::stream::iter([*busy]).boxed(),
        };
        let mut open = OpenSubscription::begin(self, &admitted);
        let viewer = match &caller {
            Caller::Viewer(viewer) => Some(viewer.clone()),
            _ => None,
        };
        let (panics, span) = (Panics::default(), measured::span(&caller, &admitted, &open.trace));
        let turns = self.event_turns(&caller, &admitted);
        let place = open.trace.place();
        let document = self.parsed.get(&admitted.checked);
        let (request, connection) = self.request(Arc::new(caller), &admitted, document, &panics);
        let request = match &turns {
            Some(turns) => request.data(turns.for_resolvers()),
            None => request,
        };
        // Reads before the first event use no shared snapshot.
        connection.release();
        let answers =
            self.schema.execute_stream(request).filter_map(move |answer| ready(connection.end_answer(answer)));
        let (mut is_first, is_moved, error_limits) = (true, admitted.is_moved(), self.error_limits);
        let answers = AssertUnwindSafe(answers).catch_unwind().map(move |answer| match answer {
            Ok(response) => {
                let _room = &room;
                let never_subscribed = std::mem::take(&mut is_first) && never_subscribed(&response);
                let mut answer = executed_answer(response, &panics, &request_id);
                answer.event_turn = turns.as_ref().and_then(|turns| turns.answered(&answer.response.data));
                if is_moved {
                    remove_locations(&mut answer);
                }
                error_limits.apply(if never_subscribed { Answer { phase: Phase::Refused, ..answer } } else { answer })
            }
            Err(_) => error_limits.apply(Answer::failed(&Failure::bug("a subscription panicked"), &request_id)),
        });
        let mut answers = match viewer {
            Some(viewer) => while_token_valid(&self.services, &viewer, answers.boxed()),
            None => answers.boxed(),
        };
        let mut poll = move |cx: &mut Context<'_>| span.in_scope(|| answers.poll_next_unpin(cx));
        let answers = poll_fn(move |cx| Place::poll(place.as_ref(), || poll(cx)));
        // One more item, so that the end of the stream is noticed too.
        let answers = answers.map(Some).chain(futures_util::stream::iter([None]));
        answers.filter_map(move |answer| ready(open.note(answer))).boxed()
    }

    /// The turns in which a subscription makes its answers to events; `None` for a caller whose share isn't limited.
    fn event_turns(&self, caller: &Caller, admitted: &Admitted) -> Option<Arc<EventTurns>> {
        let owner = admission::owner(caller, admitted.peer)?;
        let of = if admitted.is_of_process { EventsOf::Webhooks } else { EventsOf::Subscriptions };
        Some(EventTurns::new(admitted.prepared.cost, self.workload.events(owner, of)))
    }

    /// The framework's request, with the document as the gate printed it.
    pub(super) fn request(
        &self,
        caller: Arc<Caller>,
        admitted: &Admitted,
        document: Option<Document>,
        panics: &Panics,
    ) -> (Request, ConnectionHandle) {
        let Admitted { checked, prepared, .. } = admitted;
        let mut request = Request::new(String::new()).variables(variables(&prepared.variables)).data(panics.clone());
        match document {
            Some(document) => request.set_parsed_query((*document.parsed).clone()),
            // The framework reports the reason.
            None => checked.verdict.iter().for_each(|document| request.query.clone_from(&document.printed)),
        }
        if let Some(stream_cursor) = &admitted.stream_cursor {
            request = request.data(stream_cursor.clone());
        }
        request.operation_name.clone_from(&prepared.operation_name);
        (self.prepare)(request, caller)
    }

    /// Fills `extensions.cost` and the allowance. A request without a cost gets no `extensions.cost`.
    fn report_cost(&self, answer: &mut Answer, admitted: &Admitted) {
        // A second execution has left less than the first one.
        let allowance = answer.allowance.or(admitted.allowance);
        answer.allowance = allowance;
        if admitted.prepared.cost == 0 {
            return;
        }
        answer.cost = Some(Cost {
            requested: admitted.prepared.cost,
            limit: self.gate.limits().cost,
            remaining: allowance.map(|allowance| allowance.remaining),
            per_minute: allowance.map(|allowance| allowance.limit),
            reset_seconds: allowance.map(|allowance| allowance.reset_seconds),
        });
    }
}

/// Converts the variables to the framework's type.
fn variables(values: &serde_json::Map<String, serde_json::Value>) -> Variables {
    if values.is_empty() { Variables::default() } else { Variables::from_json(values.clone().into()) }
}

/// Whether the first answer of a subscription shows that its field could not start.
fn never_subscribed(response: &Response) -> bool {
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.len() <= 1)
}

/// Removes the locations of errors, because they refer to the printed document, which the client doesn't know.
fn remove_locations(answer: &mut Answer) {
    answer.response.errors.iter_mut().for_each(|error| error.locations.clear());
}

/// The framework's answer, with the errors of fields that panicked.
pub(super) fn executed_answer(mut response: Response, panics: &Panics, request_id: &str) -> Answer {
    response.errors.extend(panics.take());
    let is_coded = |error: &ServerError| error.extensions.as_ref().is_some_and(|values| values.get("code").is_some());
    if never_began(&response) {
        if response.errors.iter().all(is_coded) {
            return Answer::new(Phase::Refused, response);
        }
        // The gate has accepted the document, so a refusal by the framework is a bug.
        let errors: Vec<&str> = response.errors.iter().map(|error| error.message.as_str()).collect();
        return Answer::failed(&Failure::bug(format!("the framework refused: {errors:?}")), request_id);
    }
    // The framework's own errors during execution are arguments that it can't parse.
    Answer::new(Phase::Executed, with_codes(response, "BAD_USER_INPUT", request_id))
}
