//! GraphQL over HTTP, WebSocket and server-sent events, by handlers of our own over `Schema::execute`.

mod accept;
mod answer;
mod auth;
pub mod connections;
mod document;
mod engine;
mod graphiql;
mod graphql;
mod health;
mod intake;
mod limits;
mod origin;
mod params;
mod reply;
mod request;
mod router;
mod settings;
mod stream;
pub mod websocket;

pub use answer::{Allowance, Answer, Phase};
pub use auth::failure_response;
pub use engine::{Admitted, Engine, Prepare, Readiness};
pub use request::GraphqlRequest;
pub use router::router;
pub use settings::{DemoToken, HttpOptions};
