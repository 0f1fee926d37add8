//! The composition root: builds the parts of a server in the right order, and connects them.

mod endpoints;
mod readiness;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::clock::Clock;
use crate::events::hub::Hub;
use crate::graphql::{self, CheckDocument, ResetDemo};
use crate::http::{
    self, AdminOptions, Answer, Engine, EngineOptions, GraphqlRequest, HttpOptions, NotReady, Prepare, Routes,
};
use crate::ids::Ids;
use crate::jwt::{Jwt, JwtSettings, PipelineSettings, Pipelines};
use crate::metrics::Metrics;
use crate::outbound::{Outbound, OutboundOptions};
use crate::scheduler::Scheduler;
use crate::service::accounts::authenticate;
use crate::service::clock::Reference;
use crate::service::error::Failure;
use crate::service::followup::{Mover, NoFaults};
use crate::service::log::SealsTo;
use crate::service::webhooks::Webhooks;
use crate::service::{Services, Settings, Shared};
use crate::store::{Db, DbOptions, MigrationError, ServedFile, StoreError, Unusable};
use crate::traces::Traces;
use crate::webhooks::{DispatchOptions, Dispatcher};
use crate::zones::TimeZones;

use endpoints::LateEngine;
use readiness::Readiness;
use scrape::Scrape;

/// The options from which [`App::build`] builds a server.
pub struct AppOptions {
    pub database_url: String,
    pub clock: Clock,
    /// The clock that corrects `clock`, such as the database's (R40).
    pub reference: Reference,
    pub settings: Settings,
    /// The time zone data.
    pub zones: TimeZones,
    /// Starts the demo over. `Some` only in demo mode, and then the schema includes the demo's own fields.
    pub demo: Option<ResetDemo>,
    /// Whether ids are counted instead of random, so that a world built twice has the same ids.
    pub counted_ids: bool,
    /// Whether this must be the only server on the database, if that is an SQLite file. Commands of the command line
    /// work beside a server.
    pub alone: bool,
    /// Whether to run pending migrations. Without it, pending migrations make [`App::build`] fail.
    pub migrate: bool,
    pub db: DbOptions,
    /// How requests are executed.
    pub engine: EngineOptions,
    /// Which JWTs are accepted beside API tokens; `None` accepts none.
    pub jwt: Option<JwtSettings>,
    /// Which issuers of pipelines' JWTs are allowed; `None` allows none.
    pub pipelines: Option<PipelineSettings>,
    /// Where seals of the audit log are sent.
    pub seals_to: SealsTo,
    /// Moves an installation to a version. Tests inject one that fails.
    pub mover: Arc<dyn Mover>,
    /// The options of requests to other hosts: webhooks, and the keys of pipelines' JWTs.
    pub outbound: OutboundOptions,
    /// How webhook endpoints are served.
    pub dispatch: DispatchOptions,
    pub metrics: Arc<Metrics>,
    pub traces: Traces,
    /// How long a scrape reuses the numbers that another one has read from the database.
    pub metrics_read_every: Duration,
    /// How long new events may be unreadable until the server counts as not ready.
    pub events_behind: Duration,
}

impl AppOptions {
    /// The default options for the database at `database_url`; pending migrations are run.
    pub fn new(database_url: impl Into<String>, clock: Clock) -> Self {
        Self {
            database_url: database_url.into(),
            clock,
            reference: Reference::Own,
            settings: Settings::default(),
            zones: TimeZones::built_in(),
            demo: None,
            counted_ids: false,
            alone: false,
            migrate: true,
            db: DbOptions::default(),
            engine: EngineOptions::default(),
            jwt: None,
            pipelines: None,
            seals_to: SealsTo::default(),
            mover: Arc::new(NoFaults),
            outbound: OutboundOptions::default(),
            dispatch: DispatchOptions::default(),
            metrics: Arc::new(Metrics::on()),
            traces: Traces::off(),
            metrics_read_every: scrape::EVERY,
            events_behind: readiness::EVENTS_BEHIND,
        }
    }
}

/// Why a server can't be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Migration(#[from] MigrationError),
    #[error("{0}")]
    Gate(String),
    #[error("requests to others can't be sent: {0}")]
    Outbound(String),
    #[error("the keys of JWTs can't be read: {0}")]
    Jwks(String),
    #[error(
        "The database {0} lacks migrations: run `packwright migrate up` on it first, or name another with --database-url or DATABASE_URL."
    )]
    Pending(String),
}

/// A server that is built. Nothing runs until its parts are started.
pub struct App {
    pub services: Shared,
    pub scheduler: Arc<Scheduler>,
    pub hub: Arc<Hub>,
    /// Delivers events to webhook endpoints.
    pub webhooks: Arc<Dispatcher>,
    engine: Arc<Engine>,
    /// The lock of a server on its SQLite file.
    _served: Option<ServedFile>,
}

impl App {
    /// Connects to the database, migrates it, and builds the schema. Starts nothing.
    pub async fn build(options: AppOptions) -> Result<Self, AppError> {
        let (db, served) = open_database(&options).await?;
        let (demo, engine_options, dispatch) = (options.demo.clone(), options.engine.clone(), options.dispatch);
        let (metrics_read_every, events_behind) = (options.metrics_read_every, options.events_behind);
        let services = build_services(db, options).await?;
        let scheduler = Arc::new(Scheduler::new(services.clone()));
        let hub = Arc::new(open_hub(&services).await?);
        let late_engine = LateEngine::default();
        let (schema, own) = (graphql::schema(demo.is_some()), (services.clone(), hub.clone(), scheduler.clone()));
        let prepare = prepare(own, demo, late_engine.check());
        let readiness = readiness(Readiness { services: services.clone(), hub: hub.clone(), events_behind });
        let samples = samples(Scrape::new(services.clone(), hub.clone(), late_engine.clone(), metrics_read_every));
        let engine = Engine::new(schema, services.clone(), prepare, readiness, samples, engine_options);
        let engine = Arc::new(engine.map_err(AppError::Gate)?);
        late_engine.set(&engine);
        let source = endpoints::source(engine.clone(), hub.clone());
        let webhooks = Arc::new(Dispatcher::new(services.clone(), source, dispatch));
        Ok(Self { services, scheduler, hub, webhooks, engine, _served: served })
    }

    /// The routes of the server.
    pub fn router(&self, http: HttpOptions) -> Routes {
        http::router(self.engine.clone(), http)
    }

    /// The text of a scrape of the metrics.
    pub async fn metrics_text(&self) -> String {
        self.services.metrics.text(&self.engine.scrape().await)
    }

    /// Why the server isn't ready.
    pub async fn not_ready(&self) -> Vec<NotReady> {
        self.engine.not_ready().await
    }

    /// The routes of the listener for operators.
    pub fn admin_router(&self, options: AdminOptions) -> Routes {
        http::admin_router(self.engine.clone(), options)
    }

    /// Executes a request without HTTP: authentication, gate and execution are the same as for a request over HTTP.
    pub async fn execute(&self, bearer: Option<&str>, request: impl Into<GraphqlRequest>) -> Answer {
        let caller = match authenticate(&self.services, bearer, None).await {
            Ok(caller) => caller,
            Err(failure) => return Answer::failed(&failure, ""),
        };
        match self.engine.admit(&caller, None, request.into()) {
            Ok(admitted) => self.engine.execute(caller, "", admitted).await,
            Err(refused) => *refused,
        }
    }

    /// Executes a subscription like [`App::execute`]. If the gate refuses it, the stream has a single answer, which
    /// says why. Fails when the authentication fails.
    pub async fn execute_stream(
        &self,
        bearer: Option<&str>,
        request: impl Into<GraphqlRequest>,
    ) -> Result<BoxStream<'static, Answer>, Failure> {
        let caller = authenticate(&self.services, bearer, None).await?;
        Ok(match self.engine.admit(&caller, None, request.into()) {
            Ok(admitted) => self.engine.execute_stream(caller, "", admitted),
            Err(refused) => futures_util::stream::iter([*refused]).boxed(),
        })
    }
}

/// Opens the database, after the pending migrations have run if the options want that. Returns also the lock of a
/// server that must be alone on its file.
async fn open_database(options: &AppOptions) -> Result<(Db, Option<ServedFile>), AppError> {
    // Before migrations, which must not change the tables of a running server.
    let served = if options.alone { ServedFile::hold(&options.database_url).await? } else { None };
    if options.migrate {
        // Migrations have their own connections, because they may wait longer for locks and statements.
        let db = Db::connect(&options.database_url, options.db.clone().for_migration()).await?;
        let migrated = db.migrate().await;
        db.close().await?;
        migrated?;
    }
    let db_options = DbOptions { metrics: options.metrics.clone(), ..options.db.clone() };
    let db = Db::connect(&options.database_url, db_options).await?;
    if db.pending_migrations().await? > 0 {
        return Err(AppError::Pending(db.shown().to_owned()));
    }
    Ok((db, served))
}

/// Builds the services, and measures the distance to the clock that corrects the server's.
async fn build_services(db: Db, options: AppOptions) -> Result<Shared, AppError> {
    let jwt = match options.jwt {
        Some(settings) => Some(Arc::new(Jwt::open(settings, options.clock.now()).await.map_err(AppError::Jwks)?)),
        None => None,
    };
    let pipelines = match options.pipelines {
        Some(settings) => {
            Pipelines::new(settings, Outbound::new(options.outbound.clone()).map_err(AppError::Outbound)?)
        }
        None => Pipelines::default(),
    };
    // A test of an endpoint must have ended before the request that asks for it.
    let test_limit = options.engine.execution.mul_f64(0.9);
    let services: Shared = Arc::new(Services {
        db,
        ids: if options.counted_ids { Ids::counted() } else { Ids::new(options.clock.clone()) },
        clock: options.clock,
        reference: options.reference,
        settings: options.settings,
        metrics: options.metrics,
        traces: options.traces,
        zones: options.zones,
        mover: options.mover,
        follow_ups: crate::service::followup::BatchSizes::default(),
        token_uses: crate::service::accounts::TokenUses::default(),
        token_watch: crate::service::accounts::TokenWatch::default(),
        seals_to: options.seals_to,
        webhooks: Webhooks::new(options.outbound, test_limit).map_err(AppError::Outbound)?,
        jwt,
        pipelines: Arc::new(pipelines),
    });
    if services.has_reference() {
        services.clock.expect_correction();
        if let Err(failure) = services.measure_clock().await {
            tracing::warn!(failure = %failure.for_operators(), "the distance to the database's clock was not measured; it is tried again");
        }
    }
    Ok(services)
}

/// Opens the hub. It asks the services whether the subscribers may still listen.
async fn open_hub(services: &Shared) -> Result<Hub, StoreError> {
    let on_news = {
        let services = services.clone();
        move |subscribers| services.token_watch.news_for(subscribers)
    };
    Hub::open(services.db.clone(), services.clock.clone(), services.metrics.clone(), Box::new(on_news)).await
}

/// A function that attaches the parts of the server to a request.
fn prepare(
    (services, hub, scheduler): (Shared, Arc<Hub>, Arc<Scheduler>),
    demo: Option<ResetDemo>,
    check: CheckDocument,
) -> Prepare {
    let rendered = Arc::<graphql::Rendered>::default();
    Box::new(move |request, caller| {
        let (services, hub, scheduler) = (services.clone(), hub.clone(), scheduler.clone());
        let (request, connection) =
            graphql::prepare(request, services, hub, scheduler, rendered.clone(), check.clone(), caller);
        match demo.clone() {
            Some(demo) => (request.data(demo), connection),
            None => (request, connection),
        }
    })
}

/// A function that finds out why the server isn't ready.
fn readiness(readiness: Readiness) -> http::Readiness {
    let readiness = Arc::new(readiness);
    Box::new(move || {
        let readiness = readiness.clone();
        Box::pin(async move { readiness.reasons().await })
    })
}

/// A function that reads the samples of a scrape.
fn samples(scrape: Scrape) -> http::Scrape {
    let scrape = Arc::new(scrape);
    Box::new(move || {
        let scrape = scrape.clone();
        Box::pin(async move { scrape.samples().await })
    })
}
