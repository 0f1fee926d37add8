//! A router that can be replaced while requests are answered.

use axum::Router;
use axum::extract::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

/// Routes each request with the router that `current` returns at that moment.
pub fn replaceable(current: impl Fn() -> Router + Clone + Send + Sync + 'static) -> Router {
    Router::new().fallback(async move |request: Request| TowerToHyperService::new(current()).call(request).await)
}
