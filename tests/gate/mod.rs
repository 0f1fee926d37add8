//! The gate: checks of documents before their execution.

pub(crate) mod basics;
pub(crate) mod cursors_and_ids;
pub(crate) mod gate_fuzz;
pub(crate) mod gate_language;
pub(crate) mod gate_limits;
pub(crate) mod gate_memory;
pub(crate) mod gate_merge;
pub(crate) mod introspection;
pub(crate) mod panicking;
pub(crate) mod parser_messages;
pub(crate) mod spec_conformance;
