//! HTTP, WebSockets and event streams, with clients of all kinds.

pub(crate) mod allowances;
pub(crate) mod basics;
pub(crate) mod graphiql;
pub(crate) mod hostile;
pub(crate) mod http_connections;
pub(crate) mod http_negotiation;
pub(crate) mod http_origin;
pub(crate) mod http_requests;
pub(crate) mod http_stream;
pub(crate) mod leniency;
pub(crate) mod receiver;
pub(crate) mod trusted_documents;
pub(crate) mod websocket_machine;
pub(crate) mod websocket_protocol;
pub(crate) mod websocket_session;
