//! Database addresses: which are accepted, the messages for others, and that a password never shows.

use packwright::store::address::Address;
use proptest::prelude::*;

fn refused(address: &str) -> String {
    Address::parse(address)
        .map(|accepted| panic!("{address} was taken as {accepted}"))
        .unwrap_or_else(|e| e.to_string())
}

#[test]
fn a_file_is_named_with_or_without_slashes_and_created_unless_forbidden() {
    for (given, file, driver) in [
        ("sqlite://packwright.db", "packwright.db", "sqlite://packwright.db?mode=rwc"),
        ("sqlite:packwright.db", "packwright.db", "sqlite://packwright.db?mode=rwc"),
        ("sqlite:///var/lib/a.db?mode=rw", "/var/lib/a.db", "sqlite:///var/lib/a.db?mode=rw"),
        (" sqlite://a.db?mode=rwc\n", "a.db", "sqlite://a.db?mode=rwc"),
        ("SQLITE://a%20b%3Fc.db", "a b?c.db", "sqlite://a%20b%3Fc.db?mode=rwc"),
        ("sqlite://ä#1.db", "ä#1.db", "sqlite://%C3%A4%231.db?mode=rwc"),
    ] {
        let address = Address::parse(given).unwrap_or_else(|e| panic!("{given}: {e}"));
        assert_eq!(address.file(), Some(std::path::Path::new(file)), "{given}");
        assert_eq!(address.reveal(), driver, "{given}");
    }
    let looked_at = Address::parse("sqlite://a.db?mode=rwc").expect("an address").existing();
    assert_eq!(looked_at.reveal(), "sqlite://a.db?mode=rw");
}

#[test]
fn data_must_outlive_a_connection() {
    for address in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:",
        "sqlite://",
        "sqlite://?mode=memory",
        "sqlite://a.db?mode=memory",
        "sqlite://a.db?mode=memory&cache=shared",
        "sqlite:file::memory:?cache=shared",
        "sqlite:file:a?mode=memory",
        "sqlite://%3Amemory%3A",
        "sqlite:///a?vfs=memdb",
    ] {
        let why = refused(address);
        assert!(why.contains("outlive") || address.contains("cache") && why.contains("mode=rwc"), "{address}: {why}");
        assert!(why.contains("sqlite://packwright.db") || why.contains("mode=rwc"), "{address}: {why}");
    }
    for address in ["sqlite://a.db?mode=ro", "sqlite://a.db?immutable=1", "sqlite://a.db?cache=shared", "sqlite://a%zz"]
    {
        refused(address);
    }
}

#[test]
fn a_server_is_named_with_what_the_driver_knows() {
    for (given, shown) in [
        ("postgres://h/d", "postgres://h/d"),
        ("postgresql://u:secret@h:5433/d", "postgres://u:***@h:5433/d"),
        ("postgres://u:a%40b%3Fc%23d@h/d?sslmode=require", "postgres://u:***@h/d?sslmode=require"),
        ("postgres://u@h/d?password=secret&sslkey=secret", "postgres://u@h/d?sslkey=***"),
        ("postgres:///d?host=/var/run/postgresql&user=u", "postgres:///d?host=/var/run/postgresql&user=u"),
        ("postgres://h/d?options[search_path]=secret", "postgres://h/d?options[search_path]=***"),
        (" postgres://u:secret@h/d\n", "postgres://u:***@h/d"),
    ] {
        let address = Address::parse(given).unwrap_or_else(|e| panic!("{given}: {e}"));
        assert_eq!((address.to_string(), format!("{address:?}")), (shown.to_owned(), shown.to_owned()));
    }
}

#[test]
fn an_address_that_is_not_encoded_is_refused_without_showing_it() {
    for address in [
        "postgres://u:2026?Sommer=1@h/d",
        "postgres://u:2026?Sommer@h/d",
        "postgres://u:2026#Sommer@h/d",
        "postgres://u:Sommer#2026@h/d",
        "postgres://u:Sommer/2026@h/d",
        "postgres://u:2026/Sommer@h/d",
        "postgres://u:2026@Sommer@h/d",
        "postgres://u:Sommer%2026%@h/d",
        "postgres://u:Sommer%zz@h/d",
        "postgres://u:Sommer 2026@h/d",
        "postgres://u:Sommer\n2026@h/d",
        "postgres://u:[Sommer@h]/d",
        "postgres://u@h/d?password=2026&Sommer",
        "postgres://u@h/d?password=2026&Sommer=1",
        "postgres://u@h/d?password=2026#Sommer",
        "postgres://u:Sommer@h:54x/d",
    ] {
        let why = refused(address);
        assert!(why.contains("percent-encode"), "{address}: {why}");
        assert!(!why.contains("Sommer") && !why.contains("2026"), "{address}: {why}");
    }
}

#[test]
fn a_parameter_that_the_driver_would_drop_is_refused_by_name() {
    for name in ["channel_binding", "target_session_attrs", "sslpassword", "connect_timeout", "sslcrl", "gssencmode"] {
        let why = refused(&format!("postgres://u:secret@h/d?{name}=secret"));
        assert!(why.contains(name) && why.contains("sslmode") && !why.contains("secret"), "{why}");
    }
    assert!(refused("postgres://h/d?aplication_name=a").contains("aplication_name"));
    for (parameter, takes) in [("sslmode=full", "verify-full"), ("port=x", "number"), ("hostaddr=h", "IP address")] {
        assert!(refused(&format!("postgres://h/d?{parameter}")).contains(takes), "{parameter}");
    }
    assert!(refused("postgres://h1,h2/d").contains("one"));
}

#[test]
fn another_kind_of_database_is_refused_with_the_two_supported_forms() {
    for address in
        ["mysql://u:secret@h/d", "packwright.db", "", "host=h password=secret", "postgres:h", "jdbc:postgresql://h/d"]
    {
        let why = refused(address);
        assert!(why.contains("sqlite://FILE") && why.contains("postgres://USER") && !why.contains("secret"), "{why}");
    }
}

proptest! {
    /// Any password is accepted when it is percent-encoded. Neither the address nor an error message shows it.
    #[test]
    fn a_password_is_never_shown(password in "[ -~äß]{6,20}", raw in any::<bool>()) {
        let secret = if raw { password.clone() } else { password.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let address = Address::parse(&format!("postgres://u:{secret}@h/d"));
        if !raw {
            prop_assert!(address.is_ok());
        }
        let text_of = address.map_or_else(|e| e.to_string(), |address| format!("{address} {address:?}"));
        // The messages themselves may contain a short password by chance.
        let words = "The database's address percent-encode sqlite://FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE.";
        prop_assert!(!text_of.contains(&password) || words.contains(&password), "{}", text_of);
    }
}
