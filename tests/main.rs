//! All tests are in this one binary, because each further binary would have to be linked separately. A test's name
//! begins with the number of the rule that it tests (`docs/lifecycle.md`).

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod accounts;
mod architecture;
mod comparison;
mod components;
mod faults;
mod gate;
mod http;
mod installations;
mod library;
mod log;
mod metrics;
mod packs;
mod pipelines;
mod program;
mod releases;
mod sharing;
mod store;
mod support;
mod traces;
mod webhooks;
mod whole;
