//! Reads a request's credentials, and builds the response to a refused request (R4).

use async_graphql::{Pos, Response as GraphqlResponse};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Map, Value};

use crate::graphql;
use crate::service::accounts::NamedAccount;
use crate::service::error::Failure;

/// The header that names the account for which a pipeline's JWT is meant.
const ACCOUNT: &str = "x-packwright-account";
const ACCOUNT_HEADER: HeaderName = HeaderName::from_static(ACCOUNT);

/// The content of the header `Authorization`.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Absent,
    Bearer(String),
    /// Not a bearer token, or several headers.
    Unreadable,
}

impl Credentials {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => value.to_str().map_or(Self::Unreadable, Self::parse),
            (Some(_), Some(_)) => Self::Unreadable,
        }
    }

    /// Parses `Bearer TOKEN`. The case of the scheme doesn't matter.
    pub(super) fn parse(value: &str) -> Self {
        match value.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
                Self::Bearer(token.trim().to_owned())
            }
            _ => Self::Unreadable,
        }
    }

    /// The secret for [`authenticate`](crate::service::accounts::authenticate).
    pub(super) fn secret(&self) -> Result<Option<&str>, Failure> {
        match self {
            Self::Absent => Ok(None),
            Self::Bearer(secret) => Ok(Some(secret)),
            Self::Unreadable => Err(Failure::Unauthenticated("Send one token: `Authorization: Bearer …`.")),
        }
    }
}

/// Reads the account that a request names. A request that names several is refused later, as for an unreadable name.
pub(super) fn named_account(headers: &HeaderMap) -> NamedAccount {
    let mut values = headers.get_all(ACCOUNT_HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => NamedAccount::Absent,
        (Some(value), None) => value.to_str().map_or(NamedAccount::Unreadable, NamedAccount::parse),
        (Some(_), Some(_)) => NamedAccount::Unreadable,
    }
}

/// The account that the first message of a WebSocket names; `None` if it has no such field.
pub(super) fn account_in(payload: &Map<String, Value>) -> Option<NamedAccount> {
    let given = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case(ACCOUNT));
    match given.map(|(_, value)| value) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(NamedAccount::parse(text)),
        Some(_) => Some(NamedAccount::Unreadable),
    }
}

/// The response to a failure. For an internal failure it has the request's id, under which the log has the details.
#[must_use]
pub fn failure_response(failure: &Failure, request_id: &str) -> GraphqlResponse {
    let mut error = graphql::error::failure(failure.clone()).into_server_error(Pos::default());
    // The document wasn't read, so the error has no location.
    error.locations.clear();
    if matches!(failure, Failure::Fault(_)) && !request_id.is_empty() {
        error.extensions.get_or_insert_default().set("requestId", request_id);
    }
    GraphqlResponse::from_errors(vec![error])
}

/// The status of a request that failed before its document was read.
pub(super) fn status_of(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Failure::Forbidden(_) => StatusCode::FORBIDDEN,
        Failure::NotFound | Failure::NoneOf(_) => StatusCode::NOT_FOUND,
        Failure::BadInput(_) => StatusCode::BAD_REQUEST,
        Failure::Unavailable(_) | Failure::OutcomeUnknown(_) | Failure::Timeout(_) | Failure::Overtaken => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Failure::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
