//! GraphQL over HTTP, WebSocket and server-sent events, by handlers of our own over `Schema::execute`.

mod accept;
mod allowance;
mod answer;
mod auth;
pub mod connections;
mod engine;
mod graphiql;
mod graphql;
mod health;
mod intake;
mod limits;
mod options;
mod origin;
mod params;
mod reply;
mod request;
mod router;
mod settings;
mod stream;
pub mod websocket;

pub use allowance::Allowances;
pub use answer::{Allowance, Answer, Phase};
pub use auth::failure_response;
pub use engine::{Admitted, Engine, Prepare, Readiness};
pub use options::EngineOptions;
pub use request::GraphqlRequest;
pub use router::router;
pub use settings::{DemoToken, HttpOptions};
