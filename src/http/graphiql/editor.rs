//! The files of GraphiQL, which `build.rs` builds from `graphiql/`: kept in memory, compressed.

use std::io::Read as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};

use super::protected;

/// A file of the editor.
pub(super) struct Asset {
    /// The path below `/graphiql/`.
    pub(super) name: &'static str,
    media_type: &'static str,
    gzip: &'static [u8],
}

/// Empty when the editor isn't part of the build.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/graphiql.rs"));

const PAGE: &str = "index.html";
/// Files below this folder never change under the same name, because their names have a hash of the content.
const HASHED: &str = "assets/";

/// The content security policy: nothing from other origins, and scripts only from files. A worker has the policy of its
/// own file. Inline styles and images in them are allowed, because the editor positions its lines with styles and
/// underlines errors with images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; font-src 'self'; worker-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const FOREVER: &str = "public, max-age=31536000, immutable";

/// All files but the page.
pub(super) fn assets() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter().filter(|asset| asset.name != PAGE)
}

/// The editor's page; `None` when the editor isn't part of the build.
pub(super) fn page() -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == PAGE)
}

impl Asset {
    /// Answers with the page, whose links are adapted to the path `/graphiql`.
    pub(super) fn page(&'static self, request_headers: &HeaderMap) -> Response {
        static PAGE: LazyLock<Option<(String, Vec<u8>)>> = LazyLock::new(|| {
            let page = page()?;
            let text = super::one_level_up(&String::from_utf8(page.plain().ok()?).ok()?);
            let mut gzip = Vec::new();
            GzEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut gzip).ok()?;
            Some((text, gzip))
        });
        match &*PAGE {
            Some((_, gzip)) if takes_gzip(request_headers) => {
                (protected(POLICY), self.headers(), [(header::CONTENT_ENCODING, "gzip")], &gzip[..]).into_response()
            }
            Some((text, _)) => (protected(POLICY), self.headers(), &text[..]).into_response(),
            None => {
                tracing::error!(name = self.name, "the editor's page can't be read");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    fn headers(&self) -> [(HeaderName, &'static str); 3] {
        [
            (header::CONTENT_TYPE, self.media_type),
            (header::CACHE_CONTROL, if self.name.starts_with(HASHED) { FOREVER } else { "no-cache" }),
            (header::VARY, "accept-encoding"),
        ]
    }

    fn plain(&self) -> std::io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut plain).map(|_| plain)
    }

    /// Answers with the file, compressed if the client accepts that.
    pub(super) fn response(&'static self, request_headers: &HeaderMap) -> Response {
        let headers = self.headers();
        if takes_gzip(request_headers) {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            return (protected(POLICY), headers, encoding, Bytes::from_static(self.gzip)).into_response();
        }
        match self.plain() {
            Ok(plain) => (protected(POLICY), headers, plain).into_response(),
            Err(error) => {
                tracing::error!(%error, name = self.name, "a file of the editor can't be read");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Whether `Accept-Encoding` allows gzip, by name or by `*`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<_> = codings.flat_map(|value| value.split(',')).map(coding).collect();
    let admits =
        |accepted: &str| codings.iter().find(|(name, _)| name.eq_ignore_ascii_case(accepted)).map(|(_, yes)| *yes);
    admits("gzip").or_else(|| admits("*")).unwrap_or(false)
}

/// The name of an encoding, and whether it is allowed: its weight isn't zero.
fn coding(item: &str) -> (&str, bool) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
    (name, weight.is_none_or(|weight| weight > 0.0))
}
