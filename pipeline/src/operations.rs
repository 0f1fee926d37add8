//! The operations: `build.rs` checks each file of `operations/` against `schema.graphql`, and makes its types.

/// The scalars of the schema.
pub(crate) mod scalars {
    pub(crate) type Date = String;
    pub(crate) type DateTime = String;
    pub(crate) type Markdown = String;
    pub(crate) type TimeZone = String;
    pub(crate) type URI = String;
}

include!(concat!(env!("OUT_DIR"), "/operations.rs"));

/// The schema's name of an enum's value. A value that this version doesn't know keeps the server's name.
pub(crate) fn spelled(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        // An enum is a string.
        _ => String::new(),
    }
}
