//! The settings of `serve`.

use clap::{Args as _, Command, FromArgMatches as _};
use packwright::config::ServeArgs;
use packwright::gate::Limits;
use packwright::http::connections::ConnectionOptions;
use packwright::http::{EngineOptions, HttpOptions, SMALL_MAX};
use packwright::service::Settings;

fn command() -> Command {
    ServeArgs::augment_args(Command::new("serve"))
}

/// The settings of a command line; `Err` when it is refused.
pub(crate) fn parse(line: &[&str]) -> Result<ServeArgs, clap::Error> {
    let matches = command().try_get_matches_from(["serve"].iter().chain(line))?;
    ServeArgs::from_arg_matches(&matches)
}

#[test]
fn every_setting_is_explained_has_a_variable_and_is_printed() {
    let printed = parse(&[]).unwrap().describe();
    for argument in command().get_arguments().filter(|argument| argument.get_id() != "help") {
        let name = argument.get_long().expect("a long name");
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        assert!(!help.is_empty(), "--{name} is not explained");
        let is_rule = |word: &str| word.strip_prefix('R').is_some_and(|n| n.parse::<u8>().is_ok());
        let mut words = help.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(!words.any(is_rule), "--{name} names a rule by its number, which leads an operator nowhere: {help}");
        let variable = format!("PACKWRIGHT_{}", name.replace('-', "_").to_uppercase());
        assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(variable.as_str()), "--{name}");
        assert!(printed.lines().any(|line| line.starts_with(&format!("{name} ="))), "{name} is not printed");
    }
}

#[test]
fn each_setting_of_requests_is_in_the_page_on_security() {
    let page = include_str!("../../docs/security.md");
    let documented: Vec<_> = page.split('`').filter_map(|code| code.split([' ', '=']).next()).collect();
    let mut headings = std::collections::BTreeMap::<_, usize>::new();
    for argument in command().get_arguments() {
        let name = argument.get_long().unwrap_or_default();
        let heading = argument.get_help_heading().unwrap_or_default().to_owned();
        if ["Limits of requests", "Transport", "JWTs of an identity provider"].contains(&heading.as_str()) {
            assert!(documented.contains(&format!("--{name}").as_str()), "--{name} is missing");
            *headings.entry(heading).or_default() += 1;
        }
    }
    assert_eq!(headings.len(), 3, "{headings:?}");
}

#[test]
fn the_defaults_of_the_command_line_are_those_of_the_server() {
    let args = parse(&[]).unwrap();
    let (limits, transport) = (&args.limits, &args.transport);
    let engine = EngineOptions::default();
    let documents = Limits {
        document_bytes: transport.body_limit.min(SMALL_MAX),
        tokens: limits.max_tokens as usize,
        nesting: limits.max_nesting.into(),
        selections: limits.max_selections,
        depth: limits.max_depth,
        cost: limits.max_cost,
        root_mutations: limits.max_root_mutations,
        aliases: limits.max_aliases,
        cache_bytes: limits.document_cache,
    };
    assert_eq!(documents, engine.documents);
    assert_eq!(
        (limits.execution_timeout, usize::from(limits.max_errors), usize::from(limits.max_message)),
        (engine.execution, engine.errors, engine.message)
    );
    let work = engine.work;
    assert_eq!(
        (limits.max_work, limits.max_account_operations, limits.slow_request),
        (work.cost, work.operations, engine.slow)
    );
    let http = HttpOptions::default();
    assert_eq!((transport.body_limit, transport.body_timeout), (http.body_limit, http.body_timeout));
    assert_eq!(
        (transport.keep_alive, transport.websocket_init_timeout, transport.websocket_send_timeout),
        (http.keep_alive, http.init_timeout, http.send_timeout)
    );
    assert_eq!(transport.websocket_operations as usize, http.max_operations);
    assert_eq!(transport.idle_timeout, http.idle_timeout);
    assert_eq!((&transport.cors_origin, &args.public_host), (&http.cors_origins, &http.public_hosts));
    let connections = ConnectionOptions::default();
    let timers = &connections.timers;
    assert_eq!(
        (transport.header_timeout, transport.idle_timeout, transport.write_timeout),
        (timers.head, timers.idle, timers.write)
    );
    assert_eq!(
        (transport.header_limit as usize, transport.max_connections, transport.max_connections_per_peer as usize),
        (connections.head_limit, connections.max, connections.max_per_peer)
    );
    assert_eq!(transport.trusted_proxies, connections.trusted_proxies);
    let (rules, settings) = (args.rules(), Settings::default());
    assert_eq!(
        (rules.release_days_ahead, rules.keep_events_days),
        (settings.release_days_ahead, settings.keep_events_days)
    );
    assert_eq!((rules.batch_size, rules.batch_time), (5_000, Some(std::time::Duration::from_millis(250))));
}

#[test]
fn limits_of_requests_are_what_the_design_says() {
    let args = parse(&[]).unwrap().limits;
    assert_eq!((args.max_tokens, args.max_nesting, args.max_selections, args.max_depth), (2_000, 64, 5_000, 15));
    assert_eq!((args.max_root_mutations, args.max_aliases, args.max_errors, args.max_message), (10, 50, 20, 300));
    assert_eq!(args.execution_timeout, std::time::Duration::from_secs(10));
    for wrong in [["--max-tokens", "0"], ["--max-nesting", "1000"], ["--max-cost", "0"], ["--max-message", "1"]] {
        assert!(parse(&wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(parse(&["--rate-limit", "0"]).unwrap().limits.rate_limit, 0);
}

#[test]
fn origins_are_whole_and_nothing_more() {
    let origins = |value: &str| parse(&["--cors-origin", value]).map(|args| args.transport.cors_origin);
    assert_eq!(origins("https://app.example.com").unwrap(), ["https://app.example.com"]);
    assert_eq!(
        origins("https://App.example.com/,http://localhost:3000").unwrap(),
        ["https://app.example.com", "http://localhost:3000"]
    );
    assert_eq!(origins("https://app.example.com:443").unwrap(), ["https://app.example.com"]);
    assert_eq!(origins("*").unwrap(), ["*"]);
    for wrong in [
        "app.example.com",
        "https://",
        "https://app.example.com/path",
        "ftp://a",
        "https://u@a",
        "null",
        "",
        "https://*.example.com",
        "https://:secret@a",
        "https://a,",
        "https://a?b",
    ] {
        assert!(origins(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn proxies_are_addresses_or_networks() {
    let proxies = |value: &str| {
        let args = parse(&["--trusted-proxies", value]);
        args.map(|args| args.transport.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(proxies("10.0.0.0/8, fd00::/8,192.0.2.1").unwrap(), ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"]);
    assert_eq!(proxies("10.1.2.3/8").unwrap(), ["10.0.0.0/8"]);
    for wrong in ["10.0.0.0/33", "proxy.example.com", "10.0.0", "", "0.0.0.0/0", "::/0", "0.0.0.0", "10.0.0.1,"] {
        assert!(proxies(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn times_and_counts_have_bounds() {
    for wrong in [
        ["--header-timeout", "0"],
        ["--body-timeout", "-1"],
        ["--idle-timeout", "1e9"],
        ["--write-timeout", "soon"],
        ["--keep-alive", "NaN"],
        ["--max-connections", "0"],
        ["--max-connections-per-peer", "0"],
        ["--websocket-operations", "0"],
        ["--header-limit", "1"],
        ["--keep-events", "0"],
        ["--keep-events", "70000"],
        ["--release-days-ahead", "0"],
        ["--body-limit", "0"],
        ["--body-limit", "1e6"],
        ["--write-timeout", "0.01"],
        ["--statement-timeout", "0"],
        ["--max-depth", "1"],
        ["--max-cost", "1"],
        ["--rate-limit", "5"],
        ["--document-cache", "0"],
        ["--batch-size", "0"],
        ["--database-connections", "0"],
    ] {
        assert!(parse(&wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(parse(&[]).unwrap().rules().keep_events_days, 90);
    assert_eq!(parse(&["--keep-events", "7"]).unwrap().rules().keep_events_days, 7);
    let args = parse(&["--header-timeout", "0.5"]).unwrap();
    assert_eq!(args.transport.header_timeout, std::time::Duration::from_millis(500));
    assert!(args.describe().contains("header-timeout = 0.5\n"));
}

#[test]
fn only_loopback_is_allowed_without_a_public_host_and_the_demo_nowhere_else() {
    let check = |line: &[&str]| parse(line).expect("a command line").check();
    for listener in ["127.0.0.1:8080", "[::1]:8080", "localhost:0", "127.8.8.8:1"] {
        assert_eq!(check(&["--listen", listener]), Ok(()), "{listener}");
        assert_eq!(check(&["--demo", "--listen", listener]), Ok(()), "{listener}");
    }
    for listener in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        assert!(check(&["--listen", listener]).is_err(), "{listener}");
        assert_eq!(check(&["--listen", listener, "--public-host", "api.example.com"]), Ok(()), "{listener}");
        let demo = ["--demo", "--listen", listener, "--public-host", "api.example.com"];
        assert!(check(&demo).unwrap_err().contains("--demo-tokens-are-public"), "{listener}");
        assert_eq!(check(&[&demo[..], &["--demo-tokens-are-public"]].concat()), Ok(()), "{listener}");
        assert!(check(&["--demo", "--demo-tokens-are-public", "--listen", listener]).is_err(), "{listener}");
    }
}

#[test]
fn a_public_host_is_what_a_client_says() {
    let hosts = |value: &str| parse(&["--public-host", value]).map(|args| args.public_host).map_err(|e| e.to_string());
    for (given, kept) in [
        ("packs.example.com", "packs.example.com"),
        (" Packs.Example.com ", "packs.example.com"),
        ("packs.example.com.", "packs.example.com"),
        ("packs.example.com:8443", "packs.example.com:8443"),
        // Clients leave out the default port of the scheme.
        ("packs.example.com:443", "packs.example.com"),
        ("packs.example.com:80", "packs.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "[2001:db8::7]"),
        ("[2001:db8::7]:8080", "[2001:db8::7]:8080"),
    ] {
        assert_eq!(hosts(given).unwrap(), [kept], "{given}");
    }
    assert_eq!(hosts("a.example,b.example:81").unwrap(), ["a.example", "b.example:81"]);
    for wrong in [
        "http://h",
        "https://h/",
        "h/prefix",
        "*",
        "*.example.com",
        ",",
        "",
        "h,",
        "h:",
        "h:0",
        "h:99999",
        "h:x",
        "u@h",
        "h?a",
        "h#a",
        "a b",
        "0.0.0.0",
        "::",
        "[::]:80",
        ".",
        "//h",
    ] {
        let why = hosts(wrong).expect_err(wrong);
        assert!(why.contains("packs.example.com") && why.contains("--public-host"), "{wrong}: {why}");
    }
}

#[test]
fn a_filter_of_the_log_says_something_of_the_server() {
    let filter = |value: &str| parse(&["--log", value]).map(|args| args.log.log).map_err(|e| e.to_string());
    for fine in
        ["info", "OFF", "debug,sqlx=warn", "packwright=debug", "warn,packwright::http=trace", "info,[request]=debug"]
    {
        assert_eq!(filter(fine).as_deref(), Ok(fine));
    }
    for wrong in [
        "debgu",
        "",
        "info,",
        "info,debgu",
        "packwright",
        "packwright=debgu",
        "sqlx=debug",
        "packwrihgt=info",
        "info=1=2",
    ] {
        let why = filter(wrong).expect_err(wrong);
        assert!(why.contains("info,packwright=debug") && why.contains("--log"), "{wrong}: {why}");
    }
}

#[test]
fn settings_that_are_of_no_use_together_are_refused() {
    let check = |line: &[&str]| parse(line).expect("a command line").check();
    let jwks = ["--jwks", "keys.json", "--jwt-issuer", "us", "--jwt-audience", "you"];
    for (line, names) in [
        (&["--max-nesting", "10"][..], &["--max-nesting", "--max-depth"][..]),
        (&["--demo", "--release-days-ahead", "1"], &["--release-days-ahead"]),
        (&["--demo", "--no-migrate"], &["--no-migrate"]),
        (&["--demo", "--database-url", "sqlite://a.db"], &["--database-url"]),
        (&["--database-url", ""], &["--database-url"]),
        (&["--database-url", "sqlite::memory:"], &["--database-url", "--demo"]),
        (&[&jwks[..], &["--jwt-account-claim", "packwright_role"]].concat(), &["--jwt-account-claim"]),
    ] {
        let why = check(line).expect_err(&line.join(" "));
        assert!(names.iter().all(|name| why.contains(name)), "{line:?}: {why}");
    }
    assert_eq!(check(&["--max-nesting", "10", "--max-depth", "10"]), Ok(()));
    for wrong in [
        ["--jwt-account-claim", "exp"],
        ["--jwt-role-claim", "sub"],
        ["--jwt-types", "ID"],
        ["--jwt-types", ""],
        ["--jwt-types", "at jwt"],
        ["--jwt-issuer", ""],
        ["--jwt-audience", ""],
        ["--jwks", ""],
        ["--jwt-account-claim", ""],
    ] {
        assert!(parse(&wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(parse(&["--jwt-account-claim", "sub"]).unwrap().jwt.jwt_account_claim, "sub");
}

#[test]
fn jwts_need_an_issuer_and_an_audience_and_have_no_shared_secret() {
    let whole = ["--jwks", "keys.json", "--jwt-issuer", "us", "--jwt-audience", "you"];
    let args = parse(&whole).unwrap();
    assert_eq!(args.jwt.jwks.as_deref(), Some("keys.json"));
    for left in [&whole[..2], &whole[..4], &whole[2..], &["--jwt-issuer", "us"][..]] {
        let why = parse(left).unwrap().check().unwrap_err();
        assert!(why.contains("--jwks (PACKWRIGHT_JWKS)"), "{left:?}: {why}");
    }
    assert!(args.check().is_ok());
    assert!(parse(&[&whole[..], &["--demo"]].concat()).unwrap().check().is_err(), "the demo has tokens of its own");
    let algorithms = |names: &str| parse(&["--jwt-algorithms", names]);
    assert_eq!(algorithms("ES256,EdDSA").unwrap().jwt.jwt_algorithms.len(), 2);
    for wrong in ["HS256", "none", "RS256,HS512", ""] {
        assert!(algorithms(wrong).is_err(), "{wrong}");
    }
    let printed =
        parse(&["--jwks", "https://u:secret@id.example.com/k?a=secret", "--jwt-issuer", "i", "--jwt-audience", "a"]);
    assert!(!printed.unwrap().describe().contains("secret"));
    for address in
        ["https://id.example.com/secret?a=secret#secret", "https://u:secret@", "https://u:2#secret@id.example.com/k"]
    {
        let printed = parse(&["--jwks", address, "--jwt-issuer", "i", "--jwt-audience", "a"]).unwrap().describe();
        assert!(!printed.contains("secret"), "{printed}");
        let refused = packwright::jwt::Source::parse(address).expect_err(address);
        assert!(!refused.contains("secret"), "{refused}");
    }
}
