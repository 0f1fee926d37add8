//! The validation of hosts in all addresses: links, options, and the database's address.

use packwright::domain::host::{has_host, is_host};
use packwright::domain::text::{TextFault, address};
use packwright::jwt::Source;
use packwright::store::address::Address;
use url::{Host, Url};

use crate::program::settings::parse;

/// Hosts that the URL parser accepts, but that can't exist.
const NOWHERE: &[&str] = &[
    ".",
    "..",
    "...",
    "a..b",
    ".example.com",
    "example.com..",
    "-",
    "--.--",
    "_",
    "!",
    "$x",
    "0.0.0.0",
    "[::]",
    "*.example.com",
    "(a)",
    "~",
    "&",
];

#[test]
fn r17_an_address_without_a_host_is_none() {
    for host in NOWHERE {
        for scheme in ["https", "http"] {
            for rest in ["", "/", "/a?b=c", ":8443/x"] {
                let link = format!("{scheme}://{host}{rest}");
                assert_eq!(address(&link), Err(TextFault::Empty), "{link}");
            }
        }
        let origin = format!("https://{host}");
        assert!(parse(&["--cors-origin", &origin]).is_err(), "an origin: {origin}");
        assert!(parse(&["--public-host", host]).is_err(), "a public host: {host}");
        for option in ["--jwt-issuer", "--jwt-audience"] {
            assert!(parse(&[option, &format!("{origin}/tenant")]).is_err(), "{option} {origin}");
        }
        assert!(Source::parse(&format!("{origin}/keys")).is_err(), "a key set: {origin}");
    }
    let long = format!("https://{}.example.com", "a".repeat(64));
    assert_eq!(address(&long), Err(TextFault::Empty), "a label has 63 characters at most");
}

#[test]
fn r17_a_host_may_be_any_name_or_address_that_is_one() {
    for host in [
        "example.com",
        "example.com.",
        "localhost",
        "a",
        "x--y.example",
        "my_service",
        "xn--bcher-kva.example",
        "192.0.2.1",
        "[2001:db8::1]",
        "3com.example",
        "r3---sn-4g5e.example",
    ] {
        for link in [format!("https://{host}"), format!("http://{host}:8080/a")] {
            assert!(address(&link).is_ok(), "{link}");
            assert!(has_host(&Url::parse(&link).expect("a URL")), "{link}");
        }
        assert!(parse(&["--jwt-issuer", &format!("https://{host}/tenant")]).is_ok(), "{host}");
        assert!(parse(&["--cors-origin", &format!("https://{host}")]).is_ok(), "{host}");
    }
    assert_eq!(address("https://bücher.example").as_deref(), Ok("https://xn--bcher-kva.example/"));
    assert!(is_host(&Host::Domain("example.com")) && !is_host(&Host::Domain("")));
    // A text that isn't an address is a plain name, and is accepted.
    for name in ["accounts.google.com", "urn:example:issuer", "packwright", "..", "https-issuer"] {
        assert!(parse(&["--jwt-issuer", name]).is_ok(), "{name}");
    }
}

#[test]
fn a_database_is_at_a_host_or_a_socket_and_no_parameter_hides_in_a_name() {
    for address in ["postgres://u:Sommer@../d", "postgres://u:Sommer@./d", "postgres://u:Sommer@a..b:5432/d"] {
        let why = Address::parse(address).expect_err(address).to_string();
        assert!(why.contains("host") && !why.contains("Sommer"), "{why}");
    }
    for address in [
        "postgres://u@h/d;application_name=x",
        "postgres://u@h/d;password=Sommer",
        "postgres://u@h;password=Sommer/d",
        "postgres://h;password=Sommer",
        "postgres://u@h/d?host=h;password=Sommer",
        "postgres://u@h/d?dbname=d;password=Sommer&user=u",
        "postgres://u@h/d?user=u;password=Sommer",
        "postgres://u@h/;password=Sommer",
    ] {
        let why = Address::parse(address).map(|accepted| accepted.to_string()).expect_err(address).to_string();
        assert!(why.contains("semicolon") && why.contains('?') && !why.contains("Sommer"), "{address}: {why}");
    }
    for (given, shown) in [
        ("postgres://u:a;b@h/d", "postgres://u:***@h/d"),
        ("postgres://h/d%3Be", "postgres://h/d%3Be"),
        ("postgres://%2Fvar%2Frun%2F..%2Fpg/d", "postgres://%2Fvar%2Frun%2F..%2Fpg/d"),
        ("postgres://u@my_db.example./d", "postgres://u@my_db.example./d"),
        ("postgres://[::1]:5432/d", "postgres://[::1]:5432/d"),
    ] {
        assert_eq!(Address::parse(given).expect(given).to_string(), shown);
    }
}
