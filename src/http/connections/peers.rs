//! Finds out the client's address, and counts the connections of each peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The number of connections of each peer.
pub struct Peers {
    open: Mutex<HashMap<IpAddr, usize>>,
    most: usize,
}

impl Peers {
    /// No connections yet; each peer may have `most`.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), most })
    }

    /// Counts one more connection; `None` when the peer has reached its limit.
    #[must_use]
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let peer = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(ConnectionSlot { peers: self.clone(), peer })
    }
}

/// A counted connection. Dropping it reduces the count.
pub struct ConnectionSlot {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// The peer that an address belongs to: for IPv4 the address, for IPv6 its /64 network, because a client can choose any
/// address in it.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// Whether an address belongs to a trusted proxy.
#[must_use]
pub fn is_trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    proxies.iter().any(|network| network.contains(&address))
}

/// The client's address behind trusted proxies: the last one in `X-Forwarded-For` that isn't a trusted proxy's. Earlier
/// ones could be forged. `sender` when the header names no other.
#[must_use]
pub fn forwarded_for(headers: &HeaderMap, proxies: &[IpNet], sender: IpAddr) -> IpAddr {
    let mut client = sender.to_canonical();
    let named = headers.get_all(FORWARDED_FOR).iter().flat_map(|value| value.to_str().unwrap_or("?").split(','));
    for name in named.collect::<Vec<_>>().into_iter().rev() {
        if !is_trusted(proxies, client) {
            break;
        }
        match address(name.trim()) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// Parses an address as proxies write it: with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}
