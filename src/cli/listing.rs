//! The output of `packwright account list` and `packwright token list`: a table with a line of headings, or JSON.

use clap::ValueEnum as _;
use serde_json::{Value, json};

use crate::domain::Instant;
use crate::domain::accounts::{Account, AccountKind, AccountStatus, ApiToken};
use crate::domain::instant::to_text;
use crate::store::convert::Stored as _;

use super::accounts::RoleName;
use super::terminal;

/// The accounts, as a table or as JSON.
pub(super) fn accounts(accounts: &[Account], as_json: bool) -> String {
    if as_json {
        return terminal::json(&accounts.iter().map(account_as_json).collect());
    }
    let row = |account: &Account| {
        let kind = match account.kind {
            AccountKind::Publisher => "publisher",
            AccountKind::Managed => "managed",
        };
        let status = match account.status {
            AccountStatus::Active => "active",
            AccountStatus::Suspended => "suspended",
        };
        let zone = account.time_zone.as_deref().unwrap_or("no time zone");
        [account.shown_id(), kind.into(), status.into(), zone.into(), account.name.clone()]
    };
    table(["ID", "KIND", "STATUS", "TIME ZONE", "NAME"], accounts.iter().map(row).collect())
}

fn account_as_json(account: &Account) -> Value {
    let publisher = (account.kind == AccountKind::Managed).then(|| account.publisher_id.shown_as_publisher());
    json!({
        "id": account.shown_id(),
        "kind": account.kind.stored(),
        "status": account.status.stored(),
        "name": account.name,
        "timeZone": account.time_zone,
        "publisher": publisher,
        "createdAt": to_text(account.created_at),
        "suspendedAt": account.suspended_at.map(to_text),
    })
}

/// The tokens, as a table or as JSON.
pub(super) fn tokens(tokens: &[ApiToken], now: Instant, as_json: bool) -> String {
    if as_json {
        return terminal::json(&tokens.iter().map(|token| token_as_json(token, now)).collect());
    }
    let minute = |at: Instant| at.format("%Y-%m-%dT%H:%MZ").to_string();
    let row = |token: &ApiToken| {
        let role = RoleName::from(token.role).to_possible_value().map(|value| value.get_name().to_owned());
        [
            token.id.to_string(),
            role.unwrap_or_default(),
            state(token, now).to_lowercase(),
            minute(token.created_at),
            token.expires_at.map_or("no end".into(), minute),
            token.last_used_at.map_or("never used".into(), minute),
            token.name.clone(),
        ]
    };
    table(["ID", "ROLE", "STATE", "CREATED", "ENDS", "LAST USED", "NAME"], tokens.iter().map(row).collect())
}

fn state(token: &ApiToken, now: Instant) -> &'static str {
    match (token.revoked_at, token.is_live(now)) {
        (Some(_), _) => "REVOKED",
        (None, false) => "EXPIRED",
        (None, true) => "LIVE",
    }
}

fn token_as_json(token: &ApiToken, now: Instant) -> Value {
    json!({
        "id": token.id.to_string(),
        "role": token.role.stored(),
        "state": state(token, now),
        "name": token.name,
        "createdAt": to_text(token.created_at),
        "expiresAt": token.expires_at.map(to_text),
        "lastUsedAt": token.last_used_at.map(to_text),
        "revokedAt": token.revoked_at.map(to_text),
        "replacedBy": token.replaced_by.map(|id| id.to_string()),
    })
}

/// A table with a line of headings; an empty text if there is no row. The last column isn't padded, because its texts
/// may be long.
fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let headings = headings.map(str::to_owned);
    let all: Vec<_> = std::iter::once(&headings).chain(&rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let print = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect::<Vec<_>>();
        terminal::line(cells.join("  ").trim_end())
    };
    all.into_iter().map(print).collect()
}
