//! Host names. The URL parser accepts more than can be a name: `..`, `a..b`, and labels of punctuation only.

use std::net::IpAddr;

use url::{Host, Url};

/// The most characters of a label and of a whole name (RFC 1035).
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// Whether a host is valid: an address other than 0.0.0.0 and `::`, or a name whose labels all contain a letter or a
/// digit. A final dot is allowed.
#[must_use]
pub fn is_host<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Ipv4(address) => !IpAddr::from(*address).is_unspecified(),
        Host::Ipv6(address) => !IpAddr::from(*address).is_unspecified(),
        Host::Domain(name) => {
            let name = name.as_ref();
            let name = name.strip_suffix('.').unwrap_or(name);
            name.len() <= NAME_MAX && name.split('.').all(is_label)
        }
    }
}

fn is_label(label: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    label.len() <= LABEL_MAX && label.bytes().all(fits) && label.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// Whether a URL has a valid host.
#[must_use]
pub fn has_host(url: &Url) -> bool {
    url.host().is_some_and(|host| is_host(&host))
}
