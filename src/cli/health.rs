//! `packwright health`: asks a running server whether it is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::config::{listener, number};

use super::terminal::line;
use super::{CliError, print};

/// The most bytes of an answer.
const SIZE_MAX: usize = 64 * 1024;

#[derive(Args, Debug)]
pub(super) struct HealthArgs {
    /// The IP address and port that the server listens on. 0.0.0.0 means this computer
    #[arg(long, value_name = "ADDRESS:PORT", env = "PACKWRIGHT_LISTEN", default_value = "127.0.0.1:8080", value_parser = listener)]
    listen: SocketAddr,
    /// How many seconds the server may take to answer
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_HEALTH_TIMEOUT", default_value_t = 5, value_parser = number::<u16>(1..=300, 5))]
    health_timeout: u16,
}

pub(super) async fn run(args: HealthArgs) -> Result<(), CliError> {
    let address = reachable(args.listen);
    if address.port() == 0 {
        return Err(CliError::new("No server listens on port 0: give the port that `serve` has printed."));
    }
    let limit = Duration::from_secs(args.health_timeout.into());
    match tokio::time::timeout(limit, ask(address)).await {
        Ok(Ok((StatusCode::OK, _))) => {
            print(&line(&format!("The server at {address} is ready.")));
            Ok(())
        }
        Ok(Ok((status, body))) => {
            Err(CliError::new(format!("The server at {address} isn't ready: {}", reason(status, &body))))
        }
        Ok(Err(why)) => Err(CliError::new(format!("No server answers at {address}: {why}."))),
        Err(_) => Err(CliError::new(format!("The server at {address} didn't answer within {} s.", limit.as_secs()))),
    }
}

/// An address at which a listener can be reached from this computer.
fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(address) if address.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(address) if address.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listener
}

/// The reasons in the answer, else its status: another server's answer has no reasons.
fn reason(status: StatusCode, body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let messages: Vec<_> =
        json["reasons"].as_array().into_iter().flatten().filter_map(|reason| reason["message"].as_str()).collect();
    if messages.is_empty() { format!("it answers {status}.") } else { format!("{}.", messages.join("; ")) }
}

async fn ask(address: SocketAddr) -> Result<(StatusCode, Vec<u8>), String> {
    let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
    // Dropping the set at the end of this function closes the connection.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let request = Request::get("/readyz")
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, concat!("packwright-health/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), SIZE_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes().to_vec()))
}
