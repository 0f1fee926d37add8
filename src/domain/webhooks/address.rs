//! The addresses to which the server may send webhooks: global ones, and networks that the operator allows (R65).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::domain::text;

/// IPv4 networks that aren't global: IANA's registry of special purposes, multicast, and the reserved networks.
const NOT_GLOBAL_V4: [(Ipv4Addr, u8); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(255, 255, 255, 255), 32),
];

/// The only IPv6 network in which addresses are global.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The networks within [`GLOBAL_V6`] that aren't global: protocol assignments (with Teredo and benchmarks), and two for
/// documentation.
const NOT_GLOBAL_V6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The address that a packet finally gets to: the IPv4 address within an IPv6 address that is mapped, translated
/// (NAT64) or tunneled (6to4).
fn inner(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            v4(high, low)
        }
        _ => ip,
    }
}

/// Whether an address is global: neither of a private network, nor of this computer, nor reserved.
#[must_use]
pub fn is_global(ip: IpAddr) -> bool {
    match inner(ip) {
        IpAddr::V4(v4) => !NOT_GLOBAL_V4.iter().any(|(network, length)| v4_net(*network, *length).contains(&v4)),
        IpAddr::V6(v6) => {
            v6_net(GLOBAL_V6.0, GLOBAL_V6.1).contains(&v6)
                && !NOT_GLOBAL_V6.iter().any(|(network, length)| v6_net(*network, *length).contains(&v6))
        }
    }
}

fn v4_net(network: Ipv4Addr, length: u8) -> Ipv4Net {
    Ipv4Net::new(network, length).unwrap_or_default()
}

fn v6_net(network: Ipv6Addr, length: u8) -> Ipv6Net {
    Ipv6Net::new(network, length).unwrap_or_default()
}

/// The networks that the operator allows in addition to global addresses.
#[derive(Clone, Debug, Default)]
pub struct AllowedNetworks(Vec<IpNet>);

impl AllowedNetworks {
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Also allows the loopback addresses, 127.0.0.0/8 and ::1.
    #[must_use]
    pub fn with_loopback(mut self) -> Self {
        self.0.push(IpNet::V4(v4_net(Ipv4Addr::new(127, 0, 0, 0), 8)));
        self.0.push(IpNet::V6(v6_net(Ipv6Addr::LOCALHOST, 128)));
        self
    }

    /// Whether a server may connect to this address for this destination. Plain `http` is allowed only in these
    /// networks.
    #[must_use]
    pub fn permit(&self, ip: IpAddr, destination: &Destination) -> bool {
        let is_allowed = self.0.iter().any(|network| network.contains(&inner(ip)) || network.contains(&ip));
        is_allowed || destination.is_https() && is_global(ip)
    }
}

/// The address of an endpoint: `https`, or `http` for a network that the operator allows, without a user and a
/// fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Url);

impl Destination {
    /// Reads a caller's text. `None` if it is no such address, or longer than 2,000 characters.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let url = Url::parse(&text::address(raw).ok()?).ok()?;
        let is_fit = url.fragment().is_none() && url.port_or_known_default().is_some_and(|port| port > 0);
        is_fit.then_some(Self(url))
    }

    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host's address, if the URL has one instead of a name.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(v4) => Some(v4.into()),
            Host::Ipv6(v6) => Some(v6.into()),
            Host::Domain(_) => None,
        }
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }
}
