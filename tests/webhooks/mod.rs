//! Webhooks (R61–R66).

mod addresses;
mod outbound;
mod pure;
