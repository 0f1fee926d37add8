//! Helpers for reading JSON.

use base64::Engine as _;
use packwright::domain::Instant;
use serde_json::Value;
use uuid::Uuid;

/// Reads JSON by pointer, and panics with the JSON when a value is missing.
pub(crate) trait At {
    /// The value at a JSON pointer such as `/pack/components/0`.
    fn at(&self, pointer: &str) -> &Value;
    /// The string at a pointer.
    fn text(&self, pointer: &str) -> String;
    /// The integer at a pointer.
    fn int(&self, pointer: &str) -> i64;
    /// The list at a pointer.
    fn list(&self, pointer: &str) -> &Vec<Value>;
    /// The nodes of the connection at a pointer.
    fn nodes(&self, pointer: &str) -> Vec<Value>;
    /// The strings at `pointer` in each node of the connection at `connection`.
    fn texts(&self, connection: &str, pointer: &str) -> Vec<String>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> &Value {
        self.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer} of {self:#}"))
    }

    fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_else(|| panic!("no string at {pointer} of {self:#}")).to_owned()
    }

    fn int(&self, pointer: &str) -> i64 {
        self.at(pointer).as_i64().unwrap_or_else(|| panic!("no whole number at {pointer} of {self:#}"))
    }

    fn list(&self, pointer: &str) -> &Vec<Value> {
        self.at(pointer).as_array().unwrap_or_else(|| panic!("no list at {pointer} of {self:#}"))
    }

    fn nodes(&self, pointer: &str) -> Vec<Value> {
        self.list(&format!("{pointer}/edges")).iter().map(|edge| edge.at("/node").clone()).collect()
    }

    fn texts(&self, connection: &str, pointer: &str) -> Vec<String> {
        self.nodes(connection).iter().map(|node| node.text(pointer)).collect()
    }
}

/// Parses an instant in RFC 3339.
pub(crate) fn instant(text: &str) -> Instant {
    text.parse().unwrap_or_else(|e| panic!("{text} is no instant: {e}"))
}

/// The UUID in a global ID, for tests of the store and the mover. Clients must not decode IDs.
pub(crate) fn uuid_of(global_id: &str) -> Uuid {
    let (_, encoded) = global_id.split_once('_').unwrap_or_else(|| panic!("{global_id} has no prefix"));
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).expect("base64url");
    Uuid::from_slice(&bytes).expect("16 bytes")
}
