//! Cursors: a row's sort keys as a text, which also names the list and its order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike as _};
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;

use crate::domain::Instant;

/// The type of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The stored key of a name.
    Text,
    Instant,
    Number,
    Id,
}

/// A sort key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Text(String),
    Instant(Instant),
    Number(i64),
    Id(Uuid),
}

impl Key {
    /// The number of a [`Key::Number`].
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Instant(_) | Self::Id(_) => None,
        }
    }

    /// The key as an SQL parameter.
    pub(super) fn value(&self) -> Expr {
        match self {
            Self::Text(text) => Expr::val(text.clone()),
            Self::Instant(at) => Expr::val(*at),
            Self::Number(number) => Expr::val(*number),
            Self::Id(id) => Expr::val(*id),
        }
    }

    fn spell(&self, json: &mut String) {
        match self {
            Self::Text(text) => spell(text, json),
            Self::Instant(at) => json.push_str(&at.timestamp_micros().to_string()),
            Self::Number(number) => json.push_str(&number.to_string()),
            Self::Id(id) => {
                json.push('"');
                URL_SAFE_NO_PAD.encode_string(id.as_bytes(), json);
                json.push('"');
            }
        }
    }

    /// Parses a key. `None` for a value that no row can have, so that a forged cursor never reaches the database.
    fn from_json(kind: KeyKind, json: &serde_json::Value) -> Option<Self> {
        match kind {
            KeyKind::Text => json.as_str().filter(|text| !text.contains('\0')).map(|text| Self::Text(text.to_owned())),
            KeyKind::Instant => DateTime::from_timestamp_micros(json.as_i64()?)
                .filter(|at| (1..=9999).contains(&at.year()))
                .map(Self::Instant),
            KeyKind::Number => json.as_i64().map(Self::Number),
            KeyKind::Id => Uuid::from_slice(&URL_SAFE_NO_PAD.decode(json.as_str()?).ok()?).ok().map(Self::Id),
        }
    }
}

/// Adds a text as JSON.
fn spell(text: &str, json: &mut String) {
    if text.bytes().any(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f)) {
        json.push_str(&serde_json::Value::from(text).to_string());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

/// The list and order that a cursor belongs to, and the types of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorForm {
    list: &'static str,
    descending: bool,
    keys: &'static [KeyKind],
}

impl CursorForm {
    /// The form for a list that is sorted by `keys`. `list` must be unique among all lists and orders.
    #[must_use]
    pub const fn new(list: &'static str, keys: &'static [KeyKind]) -> Self {
        Self { list, descending: false, keys }
    }

    /// The form for the list in the opposite order. Its cursors differ.
    #[must_use]
    pub const fn reversed(self, reversed: bool) -> Self {
        Self { descending: self.descending != reversed, ..self }
    }

    /// Whether the list is sorted from the greatest keys to the least.
    pub(super) const fn is_descending(self) -> bool {
        self.descending
    }

    /// The cursor of the row with these keys. It contains the name of the list, its direction and the keys.
    #[must_use]
    pub fn encode(self, keys: &[Key]) -> String {
        // Each row of a page has a cursor, so its JSON is written without values in between.
        let mut json = String::with_capacity(128);
        json.push_str(if self.descending { "[\"-" } else { "[\"" });
        json.push_str(self.list);
        json.push('"');
        for key in keys {
            json.push(',');
            key.spell(&mut json);
        }
        json.push(']');
        URL_SAFE_NO_PAD.encode(json)
    }

    /// The keys of a cursor; `None` for a cursor of another list or order, and for an invalid text.
    #[must_use]
    pub fn decode(self, cursor: &str) -> Option<Vec<Key>> {
        let json: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (list, parts) = json.as_array()?.split_first()?;
        let list = list.as_str()?;
        let descending = list.starts_with('-');
        let is_ours = list.trim_start_matches('-') == self.list && descending == self.descending;
        if !is_ours || parts.len() != self.keys.len() {
            return None;
        }
        self.keys.iter().zip(parts).map(|(kind, part)| Key::from_json(*kind, part)).collect()
    }
}
