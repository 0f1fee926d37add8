//! Content negotiation: chooses the media type of an answer by the header `Accept` (RFC 9110, 12.5.1), and checks the
//! type of a body.

use axum::http::{HeaderMap, HeaderName, header};

/// The media type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`. The status is 200 also for a document that can't be executed.
    Json,
    /// `application/graphql-response+json`. The status shows whether execution began.
    GraphqlResponse,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    /// The type that the request prefers. Between two equally preferred types it is
    /// `application/graphql-response+json`, whose status says more. A wildcard means `application/json`, unless the
    /// request refuses that by name. `None` when the request accepts neither.
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        // What most clients send needs no parsing.
        match only(headers, &header::ACCEPT) {
            Some(b"application/json" | b"*/*") => return Some(Self::Json),
            Some(value) if PREFER_GRAPHQL.contains(&value) => return Some(Self::GraphqlResponse),
            _ => {}
        }
        let accepted = Accepted::of(headers);
        let json = accepted.quality("application", "json").value();
        match accepted.quality("application", "graphql-response+json") {
            Quality::ByName(graphql) if graphql > 0 && graphql >= json => Some(Self::GraphqlResponse),
            _ if json > 0 => Some(Self::Json),
            Quality::ByWildcard(graphql) if graphql > 0 => Some(Self::GraphqlResponse),
            _ => None,
        }
    }
}

/// What clients send that know `application/graphql-response+json`. The last ones are of its specification, with and
/// without a space.
const PREFER_GRAPHQL: [&[u8]; 3] = [
    b"application/graphql-response+json",
    b"application/graphql-response+json, application/json;q=0.9",
    b"application/graphql-response+json,application/json;q=0.9",
];

/// The value of a header that occurs once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// Whether the request accepts a stream of events.
pub(super) fn takes_events(headers: &HeaderMap) -> bool {
    Accepted::of(headers).quality("text", "event-stream").value() > 0
}

/// Whether the request accepts HTML by name, as a browser does that opens an address, and none of the API's types by
/// name.
pub(super) fn names_html(headers: &HeaderMap) -> bool {
    let accepted = Accepted::of(headers);
    let by_name = |kind, subtype| matches!(accepted.quality(kind, subtype), Quality::ByName(quality) if quality > 0);
    by_name("text", "html") && !by_name("application", "json") && !by_name("application", "graphql-response+json")
}

/// Whether the body is JSON: exactly one header `Content-Type`, with `application/json`, in UTF-8 if it has a charset.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = only(headers, &header::CONTENT_TYPE) else { return false };
    if value == b"application/json" {
        return true;
    }
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
    let range = text.and_then(Range::parse);
    range.is_some_and(|range| {
        range.kind.eq_ignore_ascii_case("application") && range.subtype.eq_ignore_ascii_case("json")
    })
}

/// Whether the body has a content encoding. Encoded bodies aren't supported.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The quality of a type in thousandths, and whether the matching range names it or is a wildcard.
#[derive(Clone, Copy)]
enum Quality {
    ByName(u16),
    ByWildcard(u16),
}

impl Quality {
    fn value(self) -> u16 {
        match self {
            Self::ByName(value) | Self::ByWildcard(value) => value,
        }
    }
}

/// The `Accept` headers of a request, combined.
struct Accepted<'a> {
    ranges: Vec<Range<'a>>,
    /// There is no such header, so every type is accepted.
    silent: bool,
}

impl<'a> Accepted<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let (mut ranges, mut silent) = (Vec::new(), true);
        for value in headers.get_all(header::ACCEPT) {
            // A value that isn't ASCII can't name a supported type.
            let text = value.to_str().unwrap_or("?");
            for element in split(text, ',').filter(|element| !element.is_empty()) {
                silent = false;
                ranges.extend(Range::parse(element));
            }
        }
        Self { ranges, silent }
    }

    /// The quality of a type. The most exact matching range decides, wherever it is in the header; of equally exact
    /// ones the highest quality.
    fn quality(&self, kind: &str, subtype: &str) -> Quality {
        if self.silent {
            return Quality::ByWildcard(1000);
        }
        let matching = self.ranges.iter().filter_map(|range| Some((range.exactness(kind, subtype)?, range.quality)));
        match matching.max() {
            Some((Exactness::Anything | Exactness::Kind, quality)) => Quality::ByWildcard(quality),
            Some((_, quality)) => Quality::ByName(quality),
            None => Quality::ByWildcard(0),
        }
    }
}

/// How exactly a range matches a type, from least to most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Anything,
    Kind,
    /// By name, but with parameters that no supported type has. Such a range still counts.
    NameAndMore,
    Name,
    NameAndCharset,
}

/// A media range with its quality in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    exactness: Exactness,
    quality: u16,
}

impl<'a> Range<'a> {
    /// `None` for an invalid range, and for one with a charset other than UTF-8.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split(text, ';');
        let name = parts.next()?;
        let (kind, subtype) = match name.split_once('/') {
            Some(both) => both,
            // Old Java clients send this.
            None if name == "*" => ("*", "*"),
            None => return None,
        };
        if !is_token(kind) || !is_token(subtype) || (kind == "*" && subtype != "*") {
            return None;
        }
        let (mut exactness, mut quality) = (Exactness::Name, 1000);
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("q") {
                quality = thousandths(value);
            } else if !name.eq_ignore_ascii_case("charset") {
                exactness = exactness.min(Exactness::NameAndMore);
            } else if value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8") {
                exactness = exactness.max(Exactness::NameAndCharset);
            } else {
                return None;
            }
        }
        Some(Self { kind, subtype, exactness, quality })
    }

    /// `None` when the range doesn't match the type.
    fn exactness(&self, kind: &str, subtype: &str) -> Option<Exactness> {
        match (self.kind.eq_ignore_ascii_case(kind), self.subtype.eq_ignore_ascii_case(subtype)) {
            (true, true) if self.exactness == Exactness::NameAndMore && self.quality == 0 => None,
            (true, true) => Some(self.exactness),
            (true, false) if self.subtype == "*" => Some(Exactness::Kind),
            _ if self.kind == "*" => Some(Exactness::Anything),
            _ => None,
        }
    }
}

/// The trimmed parts of a list. Separators in quotes don't split.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_separator = move |c: char| {
        let free = !quoted && c == separator;
        (quoted, escaped) = match c {
            _ if escaped => (quoted, false),
            '\\' if quoted => (quoted, true),
            '"' => (!quoted, false),
            _ => (quoted, false),
        };
        free
    };
    text.split(is_separator).map(str::trim)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Parses a quality: `0.85` gives 850. An invalid one counts as 1.
fn thousandths(text: &str) -> u16 {
    match text.parse::<f32>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0).round() as u16,
        _ => 1000,
    }
}
