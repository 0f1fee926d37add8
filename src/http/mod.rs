//! GraphQL over HTTP and WebSocket, by handlers of our own over `Schema::execute`.

mod accept;
mod auth;
mod document;
mod engine;
mod graphiql;
mod graphql;
mod health;
mod limits;
mod params;
mod router;
mod websocket;

pub use auth::failure_response;
pub use engine::{Engine, Prepare, Readiness};
pub use router::{DemoToken, HttpOptions, router};
