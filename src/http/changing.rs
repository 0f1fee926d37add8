//! A router in whose place another one can come while requests are answered.

use axum::Router;
use axum::extract::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

/// Answers each request by the router that `current` gives at that moment.
pub fn changing(current: impl Fn() -> Router + Clone + Send + Sync + 'static) -> Router {
    Router::new().fallback(async move |request: Request| TowerToHyperService::new(current()).call(request).await)
}
