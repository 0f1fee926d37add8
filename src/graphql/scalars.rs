//! The custom scalars. A value in the wrong form is BAD_USER_INPUT. Checks that need a rule, such as whether a zone is
//! known, are left to the use case.

use async_graphql::{InputType, InputValueError, InputValueResult, Pos, Scalar, ScalarType, Value};
use chrono::NaiveDate;

use crate::domain::releases::is_representable;
use crate::domain::{Instant, instant};

use super::error::BAD_USER_INPUT;

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Instant);

/// An instant: RFC 3339, in answers always UTC with six digits and Z; in inputs any offset and case, cut to microseconds.
#[Scalar(name = "DateTime")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let expected = "an instant of the years 1 to 9999 as RFC 3339 writes it, such as 2027-01-31T23:00:00Z";
        text(&value).and_then(instant::parse).map(Self).ok_or_else(|| unreadable(expected))
    }

    fn to_value(&self) -> Value {
        Value::String(instant::to_text(self.0))
    }
}

impl From<Instant> for DateTime {
    fn from(at: Instant) -> Self {
        Self(at)
    }
}

impl From<DateTime> for Instant {
    fn from(at: DateTime) -> Self {
        at.0
    }
}

/// A civil date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub NaiveDate);

/// A civil date without a time zone, ISO 8601: `2027-02-01`.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date.html")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        text(&value).and_then(date).map(Self).ok_or_else(|| unreadable("a date such as 2027-02-01"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

impl From<NaiveDate> for Date {
    fn from(date: NaiveDate) -> Self {
        Self(date)
    }
}

fn date(text: &str) -> Option<NaiveDate> {
    let digits = text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (digits && text.len() == 10 && is_representable(date)).then_some(date)
}

/// The name of a time zone. It may be unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZoneName(pub String);

/// The name of a zone of the IANA time zone database: in answers as it is spelled there; in inputs any text, and the field refuses a text that names no zone.
#[Scalar(name = "TimeZone", specified_by_url = "https://www.iana.org/time-zones")]
impl ScalarType for TimeZoneName {
    fn parse(value: Value) -> InputValueResult<Self> {
        text(&value)
            .map(|name| Self(name.to_owned()))
            .ok_or_else(|| unreadable("the name of a time zone such as Europe/Berlin"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl From<String> for TimeZoneName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

/// Text in CommonMark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markdown(pub String);

/// Text in CommonMark, as its author wrote it. Not sanitized: a client that shows it must leave out raw HTML, and let links and images lead only to addresses that it trusts. A link such as `[x](javascript:alert(1))` or `![x](data:...)` is stored and answered like any other: allow only the schemes `https:`, `http:` and `mailto:`, also in reference links and autolinks, and load no image before the reader requests it.
#[Scalar(name = "Markdown", specified_by_url = "https://spec.commonmark.org/")]
impl ScalarType for Markdown {
    fn parse(value: Value) -> InputValueResult<Self> {
        text(&value).map(|text| Self(text.to_owned())).ok_or_else(|| unreadable("a text"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl From<String> for Markdown {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A web address, from a caller or from the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri(pub String);

/// An absolute `https:` or `http:` address with a host, without a user, at most 2,000 characters; answered as the WHATWG URL standard writes it. The server sends requests to the `url` of a webhook endpoint alone; it stores and shows the others.
#[Scalar(name = "URI", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3986")]
impl ScalarType for Uri {
    fn parse(value: Value) -> InputValueResult<Self> {
        text(&value).map(|text| Self(text.to_owned())).ok_or_else(|| unreadable("an address"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

impl From<String> for Uri {
    fn from(address: String) -> Self {
        Self(address)
    }
}

/// Checks whether a JSON value is valid for a custom scalar. The gate calls this before it executes anything. The error
/// says which values are valid.
pub fn check_scalar(scalar: &str, value: &serde_json::Value) -> Result<(), String> {
    fn parsed<T: ScalarType + InputType>(value: &serde_json::Value) -> Result<(), String> {
        let value = Value::from_json(value.clone()).map_err(|error| error.to_string())?;
        <T as ScalarType>::parse(value).map(drop).map_err(|error| error.into_server_error(Pos::default()).message)
    }
    match scalar {
        "DateTime" => parsed::<DateTime>(value),
        "Date" => parsed::<Date>(value),
        "TimeZone" => parsed::<TimeZoneName>(value),
        "Markdown" => parsed::<Markdown>(value),
        "URI" => parsed::<Uri>(value),
        // A test compares this list with the schema.
        _ => Ok(()),
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn unreadable<T: InputType>(expected: &str) -> InputValueError<T> {
    InputValueError::custom(format_args!("give {expected}")).with_extension("code", BAD_USER_INPUT)
}
