//! `packwright serve`.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, AppOptions};
use crate::clock::Clock;
use crate::config::{LogFormat, ServeArgs};
use crate::demo::{Demo, DemoOptions};
use crate::gate::{Limits, Stored, TrustedDocuments};
use crate::http::connections::progress::Timers;
use crate::http::connections::{self, ConnectionOptions};
use crate::http::workload::WorkOptions;
use crate::http::{EngineOptions, HttpOptions, Routes, SMALL_MAX, Shed};
use crate::metrics::Metrics;
use crate::outbound::{OutboundOptions, authorities};
use crate::service::accounts::has_accounts;
use crate::service::clock::Reference;
use crate::service::followup::due_at_the_start;
use crate::stop::ended_or_gone;
use crate::store::DbOptions;
use crate::telemetry;
use crate::traces::Traces;
use crate::zones::TimeZones;

use super::admin::{AdminListener, admin_options, end_of_admin};
use super::audit::{check_seals, seals_to};
use super::ending::Signals;
use super::jwt::{jwt_settings, keep_keys, pipeline_settings};
use super::notify::Supervisor;
use super::reloading::{ReloadSignal, reload_when_signaled, toggle_detail_when_signaled};
use super::supervising::supervise;
use super::traces;
use super::{CliError, failed, files, print, sockets, welcome};

/// The grace period for requests in progress when the server ends.
const GRACE: Duration = Duration::from_secs(10);
/// The time limit for closing the database's connections.
const CLOSING: Duration = Duration::from_secs(2);

/// Serves. `remarks` are sentences about the environment for the log.
pub(super) async fn run(mut args: ServeArgs, remarks: &[String]) -> Result<(), CliError> {
    telemetry::start(&args.log).map_err(CliError::new)?;
    remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
    let given = sockets::given(&mut args)?;
    args.check().map_err(CliError::new)?;
    let reload_signal = ReloadSignal::catch();
    let engine = engine_options(&args)?;
    // Bound before anything is built, so that an address in use is reported at once.
    let listener = match given {
        Some(listener) => listener,
        None => TcpListener::bind(args.listen)
            .await
            .map_err(|error| CliError::new(format!("can't listen on {}: {error}", args.listen)))?,
    };
    let admin = AdminListener::bind(&args).await?;
    let metrics = Arc::new(if args.admin.no_metrics { Metrics::off() } else { Metrics::on() });
    let (traces, sending) = traces::begin(&args, &metrics)?;
    let signaled = listen_for_the_end()?;
    toggle_detail_when_signaled();
    let result = if args.demo {
        let listeners = (listener, admin);
        serve_demo(&args, listeners, engine, (metrics, traces), reload_signal, signaled).await
    } else {
        let mut options = AppOptions::new(args.database.address()?.reveal(), Clock::system());
        options.reference = Reference::Database;
        options.settings = args.rules();
        options.zones = time_zones(&args)?;
        options.jwt = jwt_settings(&args.jwt)?;
        options.pipelines = pipeline_settings(&args)?;
        options.seals_to = seals_to(args.audit_seals.as_ref())?;
        options.alone = true;
        options.migrate = !args.no_migrate;
        options.db = DbOptions::of_server(args.database.database_connections, args.limits.statement_timeout);
        let shed = engine.shed.clone();
        options.engine = engine;
        options.metrics = metrics;
        options.traces = traces;
        options.outbound = outbound(&args)?;
        let Some(app) = unless_signaled(&signaled, App::build(options)).await else { return Ok(()) };
        let app = app?;
        let result = serve(&args, (listener, admin), &app, shed, reload_signal, signaled).await;
        // The server's work is done, so neither a failure nor a statement that doesn't end matters.
        let _ = tokio::time::timeout(CLOSING, app.services.db.clone().close()).await;
        result
    };
    sending.end().await;
    result
}

/// A value that becomes true at the first signal to end. A second signal exits at once. It listens from the start,
/// because a signal that comes before would be lost.
fn listen_for_the_end() -> Result<watch::Receiver<bool>, CliError> {
    let mut signals = Signals::caught()?;
    let (signaled, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let signal = signals.next().await;
        tracing::info!(signal = signal.name(), "ending at a signal");
        signaled.send_replace(true);
        signals.end_at_once().await;
    });
    Ok(receiver)
}

/// The result of `building`; `None` if a signal comes first. Then an unfinished change of the database, such as a
/// migration, is rolled back. Without this, a process with id 1 in a container would ignore the signal.
async fn unless_signaled<T>(signaled: &watch::Receiver<bool>, building: impl Future<Output = T>) -> Option<T> {
    let mut signaled = signaled.clone();
    tokio::select! {
        built = building => Some(built),
        () = ended_or_gone(&mut signaled) => {
            tracing::info!("ended before the server had started; the database is as it was");
            None
        }
    }
}

/// Checks the settings and the files that they name, without any network connection.
pub(super) async fn check(args: &ServeArgs) -> Result<(), CliError> {
    args.check().map_err(CliError::new)?;
    args.admin.token().map_err(CliError::new)?;
    engine_options(args)?;
    time_zones(args)?;
    traces::settings(args)?;
    check_seals(args.audit_seals.as_ref())?;
    outbound(args)?;
    super::jwt::check(args).await
}

fn time_zones(args: &ServeArgs) -> Result<TimeZones, CliError> {
    TimeZones::open(args.zones.location())
        .map_err(|fault| CliError::new(format!("--time-zone-data (PACKWRIGHT_TIME_ZONE_DATA): {fault}.")))
}

async fn serve_demo(
    args: &ServeArgs,
    (listener, admin): (TcpListener, Option<AdminListener>),
    engine: EngineOptions,
    (metrics, traces): (Arc<Metrics>, Traces),
    reload_signal: ReloadSignal,
    signaled: watch::Receiver<bool>,
) -> Result<(), CliError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        tracing::warn!("others can reach this demo, and its tokens are public: whoever asks may change its world");
    }
    let (end, ending) = watch::channel(false);
    let http = http_options(args, address, ending.clone());
    let connections = connection_options(args, &metrics, engine.shed.clone());
    let (settings, zones, outbound) = (args.rules(), time_zones(args)?, outbound(args)?);
    let pipelines = pipeline_settings(args)?;
    let options = DemoOptions { settings, zones, engine, http, metrics, traces, outbound, pipelines };
    let Some(demo) = unless_signaled(&signaled, Demo::build(options)).await else { return Ok(()) };
    let demo = demo?;
    let scheduler = tokio::spawn(supervise("scheduler", ending, {
        let demo = demo.clone();
        move |ending| demo.clone().run(ending)
    }));
    let zones = tokio::spawn({
        let demo = demo.clone();
        reload_when_signaled(reload_signal, move || demo.world().app.services.clone())
    });
    let admin = admin.map(|admin| {
        let (token, ending) = (admin.token.clone(), end.subscribe());
        admin.serve(demo.admin_router(move || admin_options(token.clone(), ending.clone())), end.subscribe())
    });
    let served = (listener, demo.router(), connections);
    let result = serve_until_signaled(args, served, false, end, vec![("scheduler", scheduler)], signaled).await;
    end_of_admin(admin).await;
    zones.abort();
    demo.end().await;
    result
}

async fn serve(
    args: &ServeArgs,
    (listener, admin): (TcpListener, Option<AdminListener>),
    app: &App,
    shed: Shed,
    reload_signal: ReloadSignal,
    signaled: watch::Receiver<bool>,
) -> Result<(), CliError> {
    let address = listener.local_addr()?;
    let empty = !has_accounts(&app.services).await.map_err(failed)?;
    let due = due_at_the_start(&app.services, app.services.clock.now()).await.map_err(failed)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        database = app.services.db.shown(),
        tasks = due.tasks,
        failing_tasks = due.failing_tasks,
        windows_due = due.windows,
        "starting"
    );
    let (end, ending) = watch::channel(false);
    let scheduler = tokio::spawn(supervise("scheduler", ending.clone(), {
        let scheduler = app.scheduler.clone();
        move |ending| scheduler.clone().run_and_seal(ending)
    }));
    app.webhooks.announce().await;
    let webhooks = tokio::spawn(supervise("webhooks", ending.clone(), {
        let webhooks = app.webhooks.clone();
        move |ending| webhooks.clone().run(ending)
    }));
    let keys = keep_keys(app, &ending);
    let clock = tokio::spawn(supervise("the clock", ending.clone(), {
        let services = app.services.clone();
        move |ending| services.clone().keep_clock(ending)
    }));
    let zones = tokio::spawn({
        let services = app.services.clone();
        reload_when_signaled(reload_signal, move || services.clone())
    });
    let routes = app.router(http_options(args, address, ending.clone()));
    let admin = admin.map(|admin| {
        let options = admin_options(admin.token.clone(), ending.clone());
        admin.serve(app.admin_router(options), ending.clone())
    });
    let served = (listener, routes, connection_options(args, &app.services.metrics, shed));
    let work = vec![("scheduler", scheduler), ("sending of webhooks", webhooks)];
    let result = serve_until_signaled(args, served, empty, end, work, signaled).await;
    end_of_admin(admin).await;
    zones.abort();
    clock.abort();
    keys.iter().for_each(JoinHandle::abort);
    result
}

/// The tasks of a server that have something to finish when it ends, with their names for the log.
type Work = Vec<(&'static str, JoinHandle<()>)>;

/// Serves requests until a signal comes. Then it sets `end`, and waits for requests and the other work.
async fn serve_until_signaled(
    args: &ServeArgs,
    (listener, routes, connections): (TcpListener, Routes, ConnectionOptions),
    empty: bool,
    end: watch::Sender<bool>,
    mut work: Work,
    mut signaled: watch::Receiver<bool>,
) -> Result<(), CliError> {
    let ending = end.subscribe();
    let base = format!("http://{}", listener.local_addr()?);
    match args.log.log_format {
        LogFormat::Text => print(&welcome::text(args, &base, empty)),
        LogFormat::Json => print(&format!("{}\n", welcome::json(args, &base, empty))),
    }
    tracing::info!("listening on {base}");
    let mut server = tokio::spawn(connections::serve(listener, routes, connections, ending.clone()));
    let supervisor = Arc::new(Supervisor::of_environment());
    supervisor.ready(&base);
    let signs = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.keep_alive().await }
    });
    let result = tokio::select! {
        result = &mut server => result,
        () = ended_or_gone(&mut signaled) => {
            tracing::info!(
                "ending: requests that are being answered have {} seconds; a second signal ends at once",
                GRACE.as_secs(),
            );
            supervisor.stopping();
            end.send_replace(true);
            // Waits for all at the same time: the last batch, attempts of webhooks and requests share the grace period.
            let requests = async {
                tokio::time::timeout(GRACE, &mut server).await.unwrap_or_else(|_| { server.abort(); Ok(()) })
            };
            tokio::join!(requests, last_work(&mut work)).0
        }
    };
    end.send_replace(true);
    last_work(&mut work).await;
    signs.abort();
    Ok(result?)
}

/// Waits up to the grace period for the work that hasn't ended.
async fn last_work(work: &mut Work) {
    let ends = work.drain(..).map(|(name, mut task)| async move {
        if tokio::time::timeout(GRACE, &mut task).await.is_err() {
            tracing::warn!("the {name} did not end in time; the next server continues it");
            task.abort();
        }
    });
    join_all(ends).await;
}

/// The options of requests to other hosts: webhooks, and the keys of pipelines' JWTs.
fn outbound(args: &ServeArgs) -> Result<OutboundOptions, CliError> {
    let authorities = match &args.webhooks.webhook_ca {
        None => Vec::new(),
        Some(file) => authorities(file)
            .map_err(|why| CliError::new(format!("--webhook-ca (PACKWRIGHT_WEBHOOK_CA) {}: {why}.", file.display())))?,
    };
    Ok(OutboundOptions { allowed: args.webhooks.allowed(args.demo), authorities, ..OutboundOptions::default() })
}

fn http_options(args: &ServeArgs, listener: SocketAddr, ending: watch::Receiver<bool>) -> HttpOptions {
    let transport = &args.transport;
    HttpOptions {
        listener: Some(listener),
        public_hosts: args.public_host.clone(),
        cors_origins: transport.cors_origin.clone(),
        metrics: args.admin.admin_listen.is_none(),
        graphiql: args.graphiql || args.demo,
        trusted_only: args.limits.trusted_documents.is_some(),
        // The demo adds its own tokens.
        demo_tokens: Vec::new(),
        demo_world: None,
        body_limit: transport.body_limit,
        body_timeout: transport.body_timeout,
        keep_alive: transport.keep_alive,
        init_timeout: transport.websocket_init_timeout,
        send_timeout: transport.websocket_send_timeout,
        idle_timeout: transport.idle_timeout,
        max_operations: transport.websocket_operations as usize,
        shutdown: Some(ending),
    }
}

/// A document is part of a body, so its limit is at most the body's. The demo has no rate limits.
fn engine_options(args: &ServeArgs) -> Result<EngineOptions, CliError> {
    let limits = &args.limits;
    Ok(EngineOptions {
        documents: Limits {
            document_bytes: args.transport.body_limit.min(SMALL_MAX),
            tokens: limits.max_tokens as usize,
            nesting: limits.max_nesting.into(),
            selections: limits.max_selections,
            depth: limits.max_depth,
            cost: limits.max_cost,
            root_mutations: limits.max_root_mutations,
            aliases: limits.max_aliases,
            cache_bytes: limits.document_cache,
        },
        execution: limits.execution_timeout,
        cost_per_minute: NonZeroU64::new(limits.rate_limit).filter(|_| !args.demo),
        peer_cost_per_minute: NonZeroU64::new(limits.peer_rate_limit).filter(|_| !args.demo),
        work: WorkOptions {
            cost: limits.max_work,
            operations: limits.max_account_operations,
            ..WorkOptions::default()
        },
        slow: limits.slow_request,
        errors: limits.max_errors.into(),
        message: limits.max_message.into(),
        stored: stored(args)?,
        shed: Shed::default(),
    })
}

/// The stored documents, and whether other documents are executed.
fn stored(args: &ServeArgs) -> Result<Stored, CliError> {
    let Some(file) = &args.limits.trusted_documents else {
        return Ok(if args.limits.no_persisted_queries { Stored::Off } else { Stored::Automatic });
    };
    let wrong = |why: String| {
        CliError::new(format!("--trusted-documents (PACKWRIGHT_TRUSTED_DOCUMENTS) {}: {why}", file.display()))
    };
    let json = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Ok(Stored::Trusted(Arc::new(TrustedDocuments::parse(&json).map_err(wrong)?)))
}

fn connection_options(args: &ServeArgs, metrics: &Arc<Metrics>, shed: Shed) -> ConnectionOptions {
    let transport = &args.transport;
    ConnectionOptions {
        timers: Timers { head: transport.header_timeout, idle: transport.idle_timeout, write: transport.write_timeout },
        head_limit: transport.header_limit as usize,
        max: files::raise_file_limit(transport.max_connections, args.database.database_connections),
        max_per_peer: transport.max_connections_per_peer as usize,
        trusted_proxies: transport.trusted_proxies.clone(),
        metrics: metrics.clone(),
        shed,
    }
}
