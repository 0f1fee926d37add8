//! GraphQL over HTTP and WebSocket, by handlers of our own over `Schema::execute`.

mod accept;
mod answer;
mod auth;
mod document;
mod engine;
mod graphiql;
mod graphql;
mod health;
mod limits;
mod params;
mod request;
mod router;
mod websocket;

pub use answer::{Allowance, Answer, Phase};
pub use auth::failure_response;
pub use engine::{Admitted, Engine, Prepare, Readiness};
pub use request::GraphqlRequest;
pub use router::{DemoToken, HttpOptions, router};
