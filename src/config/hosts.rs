//! Parsers for names and addresses: the listener, the public hosts, the CORS origins, the proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

use crate::domain::host;

/// Parses `ADDRESS:PORT`; `localhost` means 127.0.0.1.
pub fn listener(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| format!("{port} isn't a port"))?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "write an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".into())
}

/// Parses a host into the spelling that clients send in `Host`: in lower case, without a default port.
pub(super) fn public_host(text: &str) -> Result<String, String> {
    let wrong = || {
        "write the name that clients use, without a scheme and a path, such as packs.example.com or \
         packs.example.com:8443"
            .to_owned()
    };
    let text = text.trim();
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return public_host(&format!("[{address}]"));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)).transpose()?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty()
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains(['*', '/', '@', '?', '#', '\\', '%', ',', ' '])
    {
        return Err(wrong());
    }
    let host = Host::parse(name).map_err(|_| wrong())?;
    if matches!(host, Host::Domain(_)) && !host::is_host(&host) {
        return Err(wrong());
    }
    let listens_everywhere = match &host {
        Host::Ipv4(address) => address.is_unspecified(),
        Host::Ipv6(address) => address.is_unspecified(),
        Host::Domain(_) => false,
    };
    if listens_everywhere {
        return Err(format!("no client can call a server at {host}: {}", wrong()));
    }
    Ok(match port {
        None | Some(80 | 443) => host.to_string(),
        Some(port) => format!("{host}:{port}"),
    })
}

/// Parses an origin into the spelling that browsers send, or `*` for all.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text == "*" {
        return Ok(text.to_owned());
    }
    let wrong = || "write a scheme, a host and a port, such as https://app.example.com:8443, or *".to_owned();
    let url = Url::parse(text).map_err(|_| wrong())?;
    let whole = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    if !whole || !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    // Browsers never send a wildcard, so the setting would allow nobody.
    if url.host_str().is_none_or(|host| host.contains('*')) {
        return Err(format!("a name can't contain a wildcard: {} for all origins", wrong()));
    }
    if !host::has_host(&url) {
        return Err(wrong());
    }
    Ok(url.origin().ascii_serialization())
}

/// Parses a network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network: Result<IpNet, _> = text.parse().or_else(|_| address());
    Ok(network.map_err(|_| "write an address or a network, such as 10.0.0.0/8".to_owned())?.trunc())
}

/// Parses the network of reverse proxies, or the address of one.
pub(super) fn proxies(text: &str) -> Result<IpNet, String> {
    let network = network(text)?;
    if network.prefix_len() == 0 {
        return Err(
            "this network contains every client, so each could pretend to be another: name the networks of your proxies, such as 10.0.0.0/8".into()
        );
    }
    if network.addr().is_unspecified() && network.prefix_len() == network.max_prefix_len() {
        return Err("no proxy has this address: write one such as 10.0.0.5, or a network such as 10.0.0.0/8".into());
    }
    Ok(network)
}
