//! GraphiQL as `build.rs` has made it from `graphiql/`: files in memory, compressed.

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
    /// Its path below `/graphiql/`.
    pub(super) name: &'static str,
    media_type: &'static str,
    gzip: &'static [u8],
}

/// Empty where the editor was not built.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/graphiql.rs"));

const PAGE: &str = "index.html";
/// The names below it never stand for something else: each has a hash of what is in the file.
const HASHED: &str = "assets/";

/// Nothing of another origin, and no script that isn't a file; workers are under the policy that comes
/// with their own file. Styles may stand inline, and pictures in them: the editor lays each of its lines
/// out by the former, and underlines mistakes with the latter.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self' data:; font-src 'self'; worker-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const FOREVER: &str = "public, max-age=31536000, immutable";

/// All files but the page.
pub(super) fn assets() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter().filter(|asset| asset.name != PAGE)
}

/// The page itself, if there is an editor.
pub(super) fn page() -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == PAGE)
}

impl Asset {
    /// The page, at the place of GraphiQL.
    pub(super) fn page(&'static self, asked: &HeaderMap) -> Response {
        static PAGE: LazyLock<Option<(String, Vec<u8>)>> = LazyLock::new(|| {
            let page = page()?;
            let text = super::one_level_up(&String::from_utf8(page.plain().ok()?).ok()?);
            let mut gzip = Vec::new();
            GzEncoder::new(text.as_bytes(), Compression::best()).read_to_end(&mut gzip).ok()?;
            Some((text, gzip))
        });
        match &*PAGE {
            Some((_, gzip)) if takes_gzip(asked) => {
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

    /// The file, in the form that the client takes.
    pub(super) fn response(&'static self, asked: &HeaderMap) -> Response {
        let headers = self.headers();
        if takes_gzip(asked) {
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

/// Whether `Accept-Encoding` admits gzip, by its name or by `*`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<_> = codings.flat_map(|value| value.split(',')).map(coding).collect();
    let admits = |wanted: &str| codings.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, yes)| *yes);
    admits("gzip").or_else(|| admits("*")).unwrap_or(false)
}

/// A coding's name, and whether its weight isn't zero.
fn coding(item: &str) -> (&str, bool) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).and_then(|weight| weight.parse::<f32>().ok());
    (name, weight.is_none_or(|weight| weight > 0.0))
}
