//! Delivers events to webhook endpoints (R61–R66).

pub mod signing;
