//! The settings of pipelines whose JWTs are accepted (R70).

use crate::program::settings::parse;

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn checked(line: &[&str]) -> Result<(Vec<String>, Option<String>), String> {
    let args = parse(&[&["--database-url", "sqlite://x.db"], line].concat()).map_err(|error| error.to_string())?;
    args.check()?;
    Ok((args.trusted.issuers(args.demo), args.trusted.audience(args.demo, &args.public_host)))
}

#[test]
fn r70_the_audience_is_the_first_public_host_when_it_is_not_given() {
    assert_eq!(checked(&[]), Ok((vec![], None)), "no pipeline is trusted by default");
    let hosts = ["--public-host", "packs.example.com", "--public-host", "other.example.com"];
    let (issuers, audience) = checked(&[&["--trusted-issuer", GITHUB][..], &hosts[..]].concat()).expect("accepted");
    assert_eq!((issuers, audience.as_deref()), (vec![GITHUB.to_owned()], Some("packs.example.com")));
    let given = ["--trusted-issuer", GITHUB, "--trusted-audience", "packwright"];
    let (_, audience) = checked(&[&given[..], &hosts[..]].concat()).expect("accepted");
    assert_eq!(audience.as_deref(), Some("packwright"));
    let two = format!("{GITHUB},https://gitlab.com/,{GITHUB}");
    let (issuers, _) = checked(&["--trusted-issuer", &two, "--trusted-audience", "packwright"]).expect("accepted");
    assert_eq!(issuers, [GITHUB, "https://gitlab.com/"], "each once, as it was written");
}

#[test]
fn r70_settings_that_do_not_go_together_are_refused() {
    let provider = ["--jwks", "https://id.example.com/keys", "--jwt-audience", "packwright", "--jwt-issuer"];
    for (line, part) in [
        (vec!["--trusted-issuer", GITHUB], "--trusted-audience"),
        (vec!["--trusted-audience", "packwright"], "--trusted-issuer"),
        (vec!["--trusted-issuer", "gitlab.com", "--trusted-audience", "x"], "as the JWTs name it"),
        (vec!["--trusted-issuer", "https://gitlab.com/?a=b", "--trusted-audience", "x"], "as the JWTs name it"),
        (vec!["--trusted-issuer", "https://me@gitlab.com", "--trusted-audience", "x"], "as the JWTs name it"),
        (vec!["--trusted-issuer", "file:///etc/passwd", "--trusted-audience", "x"], "as the JWTs name it"),
        (
            [
                &provider[..],
                &["https://gitlab.com", "--trusted-issuer", "https://gitlab.com"],
                &["--trusted-audience", "x"],
            ]
            .concat(),
            "can't be both",
        ),
    ] {
        let refused = checked(&line).expect_err(part);
        assert!(refused.contains(part), "{line:?}: {refused}");
    }
    let many: Vec<_> = (0..21).map(|n| format!("https://ci{n}.example.com")).collect();
    let refused = checked(&["--trusted-issuer", &many.join(","), "--trusted-audience", "x"]).expect_err("too many");
    assert!(refused.contains("at most 20"), "{refused}");
}

#[test]
fn r70_the_demo_knows_two_issuers_unless_others_are_named() {
    let demo = parse(&["--demo"]).expect("the demo");
    assert_eq!(demo.check(), Ok(()));
    assert_eq!(demo.trusted.issuers(true), [GITHUB, "https://gitlab.com"]);
    assert!(demo.describe().contains("trusted-audience = packwright-demo\n"), "{}", demo.describe());
    let other = parse(&["--demo", "--trusted-issuer", "http://127.0.0.1:9", "--trusted-audience", "me"]).expect("one");
    assert_eq!(other.check(), Ok(()));
    assert_eq!(other.trusted.issuers(true), ["http://127.0.0.1:9"]);
}
