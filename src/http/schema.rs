//! `/schema.graphql`: the schema's SDL, for tools that download it from the server.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::reply::refusal;

/// The SDL with its ETag; `None` if introspection isn't served either.
#[derive(Clone)]
pub(super) struct ServedSchema(Option<(Bytes, HeaderValue)>);

impl ServedSchema {
    /// Prepares the SDL and its ETag. `None` answers each request with 404.
    pub(super) fn of(sdl: Option<String>) -> Self {
        Self(sdl.and_then(|sdl| {
            let hash: String = Sha256::digest(&sdl).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            // Hexadecimal digits are valid in a header.
            let tag = HeaderValue::from_str(&format!("\"{hash}\"")).ok()?;
            // Without the room that the text has grown in.
            Some((Bytes::from(sdl.into_boxed_str().into_boxed_bytes()), tag))
        }))
    }

    /// Answers a request: with the SDL, or with 304 if the client has it already.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let Some((sdl, tag)) = &self.0 else {
            let message =
                "This server executes only the documents that it was started with, and doesn't show its schema.";
            return refusal(StatusCode::NOT_FOUND, "NOT_FOUND", message);
        };
        let caching = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
        if is_current(headers, tag) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        (caching, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], sdl.clone()).into_response()
    }
}

/// Whether the client has this text already. The comparison ignores `W/`, because proxies that compress mark tags as
/// weak.
fn is_current(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|listed| listed == "*" || tag.to_str().is_ok_and(|tag| listed.strip_prefix("W/").unwrap_or(listed) == tag))
}
