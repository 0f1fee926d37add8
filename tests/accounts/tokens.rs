//! Tokens: rotation, use, expiry, and their reach (R1, R4).

use chrono::Duration;
use packwright::domain::accounts::AccountRefusal;
use packwright::domain::id::TokenId;
use packwright::domain::refusal::Refusal as _;
use packwright::service::accounts::{IssuedToken, Rotation, rotate_token_of};
use packwright::service::error::{Error, Failure};
use serde_json::{Value, json};

use crate::log::audit::{changes, texts};
use crate::support::rows::{database_url, unknown_like};
use crate::support::{At, TestApp, instant, uuid_of};

const OWN: &str = "{ viewer { token { id name role expiresAt lastUsedAt } account { id } } }";

async fn own(app: &TestApp, token: &str) -> Value {
    app.gql(token, OWN, json!(null)).await.at("/viewer").clone()
}

async fn lets_in(app: &TestApp, token: &str) -> bool {
    let answer = app.gql_raw(Some(token), "{ __typename }", json!(null)).await;
    answer.pointer("/data/__typename").is_some()
}

/// Rotates the token `secret`, as the command line does.
async fn rotate(app: &TestApp, secret: &str, rotation: Rotation) -> Result<IssuedToken, Error<AccountRefusal>> {
    let viewer = own(app, secret).await;
    let (token, account) = (uuid_of(&viewer.text("/token/id")), uuid_of(&viewer.text("/account/id")));
    rotate_token_of(&app.app.services, account.into(), TokenId(token), rotation).await.map(|rotated| rotated.issued)
}

fn within(hours: i64) -> Rotation {
    Rotation { overlap: Duration::hours(hours), expires_at: None }
}

#[tokio::test]
async fn r01_a_rotated_token_works_until_its_overlap_has_passed() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let former = app.token(&acme.token, "STANDARD_USER").await;
    let issued = rotate(&app, &former, within(24)).await.expect("rotated");
    let (old, new) = (own(&app, &former).await, own(&app, &issued.secret).await);
    assert_eq!(texts(&new, ["/token/name", "/token/role"]), texts(&old, ["/token/name", "/token/role"]));
    assert_eq!((new.at("/token/expiresAt"), new.at("/account/id")), (&Value::Null, old.at("/account/id")));
    assert_eq!(old.text("/token/expiresAt"), "2026-11-23T09:00:00.000000Z");
    app.clock_only("2026-11-23T08:59:59Z");
    assert!(lets_in(&app, &former).await && lets_in(&app, &issued.secret).await);
    app.clock_only("2026-11-23T09:00:00Z");
    assert!(!lets_in(&app, &former).await && lets_in(&app, &issued.secret).await);
}

#[tokio::test]
async fn r01_without_an_overlap_the_former_token_is_revoked_at_once() {
    let app = TestApp::new().await;
    let former = app.token(&app.publisher, "SUPPORT").await;
    let subscription = "subscription { events { cursor } }";
    let listener = app.subscribe(&former, subscription, json!(null)).await;
    let issued = rotate(&app, &former, within(0)).await.expect("rotated");
    assert!(!lets_in(&app, &former).await && lets_in(&app, &issued.secret).await);
    app.pack("Something to tell").await;
    let items = listener.until_the_end().await;
    assert!(items.iter().all(|item| item.pointer("/errors").is_some()), "{items:#?}");
}

#[tokio::test]
async fn r01_an_overlap_never_makes_a_token_live_longer() {
    let app = TestApp::new().await;
    let input = json!({ "name": "short", "role": "SUPPORT", "expiresAt": "2026-11-22T10:00:00.000000Z" });
    let former = app.ok(&app.publisher, "createApiToken", input, "secret").await.text("/secret");
    let end = Some(instant("2027-01-01T00:00:00Z"));
    let issued = rotate(&app, &former, Rotation { expires_at: end, ..within(24) }).await.expect("rotated");
    assert_eq!(own(&app, &former).await.text("/token/expiresAt"), "2026-11-22T10:00:00.000000Z");
    assert_eq!(own(&app, &issued.secret).await.text("/token/expiresAt"), "2027-01-01T00:00:00.000000Z");
}

#[tokio::test]
async fn r01_rotation_keeps_the_rules_of_tokens() {
    let app = TestApp::new().await;
    let end = |text: &str| Rotation { expires_at: Some(instant(text)), ..within(1) };
    let refused = async |rotation| match rotate(&app, &app.publisher, rotation).await {
        Err(Error::Refused(refusals)) => refusals.iter().map(|refusal| refusal.message()).collect::<String>(),
        other => panic!("not refused: {}", other.is_ok()),
    };
    let last = refused(end("2027-01-01T00:00:00.000000Z")).await;
    let past = refused(end("2026-11-22T09:00:00.000000Z")).await;
    assert!(last.contains("last administrator token") && past.contains("future"), "{last} {past}");
    let viewer = own(&app, &app.publisher).await;
    let (token, account) = (uuid_of(&viewer.text("/token/id")), uuid_of(&viewer.text("/account/id")));
    let unknown = TokenId(uuid_of(&unknown_like(&viewer.text("/token/id"))));
    let acme = app.managed("Acme").await;
    let services = &app.app.services;
    for (account, token) in [(account, unknown), (uuid_of(&acme.id), TokenId(token))] {
        let answer = rotate_token_of(services, account.into(), token, within(1)).await;
        assert!(matches!(answer, Err(Error::Failed(Failure::NotFound))), "a token of another account is none");
    }
    rotate(&app, &app.publisher, within(0)).await.expect("the last one is replaced by its like");
    let again = rotate_token_of(services, account.into(), TokenId(token), within(1)).await;
    assert!(matches!(again, Err(Error::Refused(_))), "it is revoked");
}

#[tokio::test]
async fn r01_a_token_is_rotated_once() {
    let app = TestApp::new().await;
    let former = app.token(&app.publisher, "SUPPORT").await;
    let issued = rotate(&app, &former, within(24)).await.expect("rotated");
    for hours in [0, 24] {
        match rotate(&app, &former, within(hours)).await {
            Err(Error::Failed(Failure::BadInput(why))) => {
                assert!(why.contains(&issued.token_id.to_string()), "{why}");
            }
            other => panic!("not refused: {}", other.is_ok()),
        }
    }
    let third = rotate(&app, &issued.secret, within(24)).await.expect("the one in its place is rotated");
    app.clock_only("2026-11-24T09:00:00Z");
    assert!(lets_in(&app, &third.secret).await, "it has no end of its own");
}

#[tokio::test]
async fn r51_a_rotation_is_in_the_accounts_log() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let former = app.token(&acme.token, "SUPPORT").await;
    let issued = rotate(&app, &former, within(24)).await.expect("rotated");
    let (old, new) = (own(&app, &former).await, own(&app, &issued.secret).await);
    let entries = app.audit(&acme.token, json!({ "actorKind": "COMMAND_LINE" })).await;
    assert_eq!(
        texts(&entries[0], ["/action", "/subjectId"]),
        ["commandLine.rotateApiToken".into(), old.text("/token/id")]
    );
    assert_eq!(texts(&entries[1], ["/action", "/subjectId"]), ["createApiToken".into(), new.text("/token/id")]);
    let changed = changes(&entries[0]);
    assert_eq!(changed[0], ("replacedBy".into(), None, Some(new.text("/token/id"))));
    assert_eq!((changed[1].0.as_str(), changed.len()), ("expiresAt", 2));
}

#[tokio::test]
async fn r01_the_last_use_is_kept_to_the_minute_and_not_written_by_requests() {
    let app = TestApp::new().await;
    let token = app.token(&app.publisher, "SUPPORT").await;
    let used = async || own(&app, &token).await.at("/token/lastUsedAt").clone();
    let ask = async || {
        let (_, statements) = app.statements_of(app.gql(&token, "{ viewer { role } }", json!(null))).await;
        assert!(statements.iter().all(|sql| sql.starts_with("SELECT")), "{statements:#?}");
    };
    assert_eq!(used().await, Value::Null);
    for _ in 0..3 {
        ask().await;
    }
    app.tick().await;
    assert_eq!(used().await, "2026-11-22T09:00:00.000000Z");
    app.clock_only("2026-11-22T09:00:59Z");
    ask().await;
    let (_, statements) = app.statements_of(app.tick()).await;
    assert!(!statements.iter().any(|sql| sql.starts_with("UPDATE \"api_token\"")), "{statements:#?}");
    app.clock_only("2026-11-22T09:01:00Z");
    ask().await;
    app.tick().await;
    assert_eq!(used().await, "2026-11-22T09:01:00.000000Z");
}

#[tokio::test]
async fn r01_a_token_reaches_its_own_account_and_role_alone() {
    let app = TestApp::new().await;
    let [acme, globex] = app.managed_accounts(["Acme", "Globex"]).await;
    let installed = app.installed_pack("Orders", &[&acme, &globex]).await;
    let leaked = app.token(&acme.token, "SUPPORT").await;
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let publishers = own(&app, &app.publisher).await;
    let others = [
        &globex.id,
        &installed.installations[1],
        &installed.pack.id,
        &publishers.text("/account/id"),
        &publishers.text("/token/id"),
        &own(&app, &globex.token).await.text("/token/id"),
        &own(&app, &acme.token).await.text("/token/id"),
    ];
    for id in others {
        assert_eq!(app.gql(&leaked, node, json!({ "id": id })).await.at("/node"), &Value::Null, "{id}");
    }
    let seen = app.gql(&leaked, "{ installations { edges { node { id } } } }", json!(null)).await;
    assert_eq!(seen.texts("/installations", "/id"), [installed.installations[0].as_str()]);
    for (mutation, input) in [
        ("uninstallPack", json!({ "installationId": installed.installations[0] })),
        ("createApiToken", json!({ "name": "more", "role": "ADMINISTRATOR" })),
        ("suspendAccount", json!({ "accountId": globex.id })),
    ] {
        assert_eq!(app.denied(&leaked, mutation, input).await, "FORBIDDEN", "{mutation}");
    }
}

/// Runs the program on the app's database. Returns its output.
async fn command_line(app: &TestApp, arguments: &[&str]) -> String {
    both_outputs(app, arguments).await.0
}

/// Runs the program on the app's database. Returns its output and its errors.
async fn both_outputs(app: &TestApp, arguments: &[&str]) -> (String, String) {
    let url = database_url(app).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_packwright"));
    let ran =
        command.args(arguments).args(["--database-url", &url]).kill_on_drop(true).output().await.expect("it runs");
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    (String::from_utf8(ran.stdout).expect("UTF-8"), String::from_utf8(ran.stderr).expect("UTF-8"))
}

#[tokio::test]
async fn r01_tokens_are_listed_rotated_and_revoked_by_command() {
    let app = TestApp::new().await;
    app.managed("Acme").await;
    let secret =
        command_line(&app, &["token", "create", "--account", "Acme", "--name", "by hand", "--role", "support"]).await;
    let listed = async || command_line(&app, &["token", "list", "--account", "Acme"]).await;
    let line = async |state: &str| {
        let all = listed().await;
        let found = all.lines().find(|line| line.ends_with("by hand") && line.contains(state));
        found.unwrap_or_else(|| panic!("no token that is {state}:\n{all}")).to_owned()
    };
    let first = line("live").await;
    assert!(first.contains("  support  ") && first.contains("no end") && first.contains("never used"), "{first}");
    let id = first.split(' ').next().expect("an id");
    let (rotated, stderr_text) =
        both_outputs(&app, &["token", "rotate", id, "--account", "Acme", "--overlap", "0"]).await;
    assert_eq!(rotated.lines().count(), 1, "the secret alone");
    assert!(
        stderr_text.contains(id) && stderr_text.contains("has no end") && !stderr_text.contains(rotated.trim()),
        "{stderr_text}"
    );
    assert!(!lets_in(&app, secret.trim()).await && lets_in(&app, rotated.trim()).await);
    line("revoked").await;
    let second = line("live").await;
    assert!(stderr_text.contains(second.split(' ').next().expect("an id")), "{stderr_text}");
    command_line(&app, &["token", "revoke", second.split(' ').next().expect("an id"), "--account", "Acme"]).await;
    assert!(!lets_in(&app, rotated.trim()).await);
    assert!(!listed().await.contains(rotated.trim()), "a secret is told once");
}
