//! The listener for operators: metrics, probes, and the filter of the log.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::accept::Media;
use super::auth::Credentials;
use super::compression::Encodings;
use super::connections::Client;
use super::engine::Engine;
use super::refusals::{Reason, Refusals};
use super::reply::{Refused, refusal};
use super::routes::Routes;
use super::settings::ended;
use super::{health, limits, metrics};

/// The most bytes of a log filter.
const FILTER_MAX: usize = 4_096;

type SetFilter = dyn Fn(Option<&str>) -> Result<(), String> + Send + Sync;

/// Reads and changes the filter of the log.
pub struct LogFilter {
    /// The present filter.
    pub read: Box<dyn Fn() -> String + Send + Sync>,
    /// Sets another filter. `None` sets the filter of the start again. The error says what is wrong with the filter.
    pub set: Box<SetFilter>,
}

/// The options of the listener for operators.
pub struct AdminOptions {
    /// The secret that requests must bring; `None` on a loopback address.
    pub token: Option<String>,
    pub log_filter: LogFilter,
    /// Becomes true when the server ends.
    pub shutdown: Option<watch::Receiver<bool>>,
}

struct Admin {
    engine: Arc<Engine>,
    options: AdminOptions,
    refusals: Refusals,
}

/// The routes of the listener for operators.
pub fn admin_router(engine: Arc<Engine>, options: AdminOptions) -> Routes {
    let admin = Arc::new(Admin { engine, options, refusals: Refusals::default() });
    Routes::new(move |request| {
        let admin = admin.clone();
        Box::pin(async move {
            let encodings = Encodings::of(request.headers());
            let mut response = encodings.apply(admin.answer(request).await).await;
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        })
    })
}

impl Admin {
    async fn answer(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let (path, method) = (parts.uri.path(), &parts.method);
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let read_only = || Refused::method("GET, HEAD", "Send GET.").reply(Media::Json);
        // Probes get only public data.
        match path {
            "/livez" if is_read => return health::live().await,
            "/readyz" if is_read => {
                return health::ready_answer(&self.engine, ended(&mut self.options.shutdown.clone())).await;
            }
            "/livez" | "/readyz" => return read_only(),
            _ => {}
        }
        if let Err(refused) = self.let_in(&parts.headers) {
            let peer = parts.extensions.get::<Client>().map(|client| client.address);
            self.refusals.note(Reason::AdminToken, peer, path);
            limits::discard(&parts.headers, body).await;
            return refused.reply(Media::Json);
        }
        match path {
            metrics::PATH if !is_read => read_only(),
            metrics::PATH if !self.engine.metrics.is_on() => {
                refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "The metrics are switched off with --no-metrics.")
            }
            metrics::PATH => metrics::text(&self.engine).await,
            "/log-level" => self.log_level(method, &parts.headers, body).await,
            _ => refusal(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "Nothing is served here; try /metrics, /livez, /readyz or /log-level.",
            ),
        }
    }

    fn let_in(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(token) = &self.options.token else {
            // The check of the host keeps out a page of another site whose name was made to point to this computer.
            if metrics::is_direct(headers) {
                return Ok(());
            }
            let message = "Ask for localhost, 127.0.0.1 or [::1], or start the server with --admin-token-file.";
            return Err(Refused::bad(StatusCode::MISDIRECTED_REQUEST, message));
        };
        // Hashes are compared, so that the duration of the comparison reveals nothing of the token.
        let hash = |text: &str| Sha256::digest(text.as_bytes());
        match Credentials::of(headers) {
            Credentials::Bearer(given) if hash(&given) == hash(token) => Ok(()),
            _ => {
                let message = "Send the token of --admin-token-file: `Authorization: Bearer …`.";
                let refused = Refused::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message);
                Err(refused.with(header::WWW_AUTHENTICATE, r#"Bearer realm="packwright-admin""#))
            }
        }
    }

    async fn log_level(&self, method: &Method, headers: &HeaderMap, body: Body) -> Response {
        let filter = &self.options.log_filter;
        let set = match *method {
            Method::GET | Method::HEAD => Ok(()),
            Method::DELETE => (filter.set)(None),
            Method::PUT => {
                let within = std::time::Duration::from_secs(10);
                match limits::read(headers, body, FILTER_MAX, within).await {
                    Ok(text) => match std::str::from_utf8(&text) {
                        Ok(text) => (filter.set)(Some(text.trim())),
                        Err(_) => Err("the filter must be UTF-8".into()),
                    },
                    Err(refused) => return refused.reply(Media::Json),
                }
            }
            _ => {
                let message = "Send GET, or PUT with a filter such as info,packwright=debug, or DELETE.";
                return Refused::method("GET, HEAD, PUT, DELETE", message).reply(Media::Json);
            }
        };
        match set {
            Ok(()) => {
                let headers =
                    [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
                (headers, format!("{}\n", (filter.read)())).into_response()
            }
            Err(why) => {
                Refused::bad(StatusCode::BAD_REQUEST, format!("The log stays as it is: {why}.")).reply(Media::Json)
            }
        }
    }
}
