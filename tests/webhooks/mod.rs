//! Webhooks (R61–R66).

mod addresses;
mod dead_servers;
mod endpoints;
mod handing_over;
mod https;
mod large_payloads;
mod measured;
mod outbound;
mod pure;
pub(crate) mod receiver;
mod saving;
mod serving;
mod slow_receivers;
mod turns;
mod unreadable;
