//! The gate: checks of documents before their execution.

pub(crate) mod basics;
pub(crate) mod gate_fuzz;
pub(crate) mod gate_language;
pub(crate) mod gate_limits;
pub(crate) mod gate_memory;
pub(crate) mod gate_merge;
pub(crate) mod gate_words;
pub(crate) mod introspection;
pub(crate) mod opaque_texts;
pub(crate) mod panicking;
pub(crate) mod spec_conformance;
