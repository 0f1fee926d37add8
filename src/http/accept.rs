//! Which media type an answer has, by what the request says it takes.

use axum::http::{HeaderMap, header};

/// The media type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`: 200 also for a document that can't be executed.
    Json,
    /// `application/graphql-response+json`: the status says whether execution began.
    GraphqlResponse,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    /// The type that the request likes best: `application/graphql-response+json` only when it is
    /// asked for by name. `None` when the request takes neither.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let mut ranges = Vec::new();
        for value in headers.get_all(header::ACCEPT) {
            ranges.extend(value.to_str().ok()?.split(',').filter_map(range));
        }
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        // The most exact range decides on a type, and not the first.
        let quality = |names: &[&str]| -> u16 {
            names
                .iter()
                .find_map(|name| ranges.iter().find(|(range, _)| range == name))
                .map_or(0, |(_, quality)| *quality)
        };
        let graphql = quality(&["application/graphql-response+json"]);
        let json = quality(&["application/json", "application/*", "*/*"]);
        match (graphql, json) {
            (0, 0) => None,
            (graphql, json) if graphql >= json => Some(Self::GraphqlResponse),
            _ => Some(Self::Json),
        }
    }
}

/// A media range with its quality in thousandths; `None` for one in a character set that we don't write.
fn range(text: &str) -> Option<(String, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let mut quality = 1000;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "q" => quality = thousandths(value.trim()),
            "charset" if !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8") => return None,
            _ => {}
        }
    }
    Some((name, quality))
}

/// `0.85` as 850; what can't be read counts as 1.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    match (whole, format!("{fraction:0<3}").get(..3).map(str::parse::<u16>)) {
        ("0", Some(Ok(thousandths))) => thousandths,
        _ => 1000,
    }
}

/// Whether a body of this `Content-Type` is read: JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    range(value).is_some_and(|(name, _)| name == "application/json")
}
