//! Rows of webhook endpoints and of their attempts.

pub mod attempts;
pub mod endpoints;
pub mod numbers;
pub mod servers;
pub mod serving;
pub mod write;
pub mod write_attempts;
