//! Packwright: develop, release and support integration packs, over GraphQL.

pub mod app;
pub mod cli;
pub mod clock;
pub mod comparison;
pub mod config;
pub mod demo;
pub mod domain;
pub mod events;
pub mod gate;
pub mod graphql;
pub mod http;
pub mod ids;
pub mod jwt;
pub mod metrics;
pub mod outbound;
pub mod scheduler;
pub mod seed;
pub mod service;
pub mod signing;
pub mod stop;
pub mod store;
pub mod telemetry;
pub mod traces;
pub mod webhooks;
pub mod zones;
