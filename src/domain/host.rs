//! Names of hosts. The parser of URLs takes more than any name can be: `..`, `a..b`, and labels without a letter.

use std::net::IpAddr;

use url::{Host, Url};

/// The most characters of a label and of a whole name (RFC 1035).
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// Whether a host can be one: an address of the internet that isn't "any", or a name of labels, each of which has a
/// letter or a digit. A dot may stand at the end.
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

/// Whether a URL leads to a host.
#[must_use]
pub fn has_host(url: &Url) -> bool {
    url.host().is_some_and(|host| is_host(&host))
}
