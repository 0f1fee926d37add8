//! IDs on the command line: printed in the API's form, and accepted in that form and as UUIDs.

use packwright::domain::id::{AccountId, TokenId};
use serde_json::json;

use crate::program::starts::{run, text_of};
use crate::support::rows::database_url;
use crate::support::{At as _, TestApp, uuid_of};

async fn command_line(app: &TestApp, arguments: &[&str]) -> (bool, String) {
    let url = database_url(app).await;
    let output = run(&[arguments, &["--database-url", &url]].concat()).await;
    (output.status.success(), text_of(&output))
}

#[tokio::test]
async fn accounts_and_tokens_are_named_in_either_spelling() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let seen = app.gql(&app.publisher, "{ viewer { account { id } token { id } } }", json!(null)).await;
    let (publisher, token) = (seen.text("/viewer/account/id"), seen.text("/viewer/token/id"));
    let own = app.gql(&acme.token, "{ viewer { account { id } } }", json!(null)).await.text("/viewer/account/id");

    let (well, listed) = command_line(&app, &["account", "list"]).await;
    assert!(well && listed.contains(&publisher) && listed.contains(&acme.id), "{listed}");
    for account in [publisher.clone(), uuid_of(&publisher).to_string(), format!(" {publisher} ")] {
        let (well, printed) = command_line(&app, &["token", "list", "--account", &account]).await;
        assert!(well && printed.contains(&token), "{account}: {printed}");
    }
    for account in [acme.id.clone(), own, uuid_of(&acme.id).to_string(), "acme".into()] {
        for command in ["suspend", "reactivate"] {
            let (well, printed) = command_line(&app, &["account", command, "--account", &account]).await;
            assert!(well, "{account}: {printed}");
        }
    }
    let (well, printed) = command_line(&app, &["token", "list", "--account", &token]).await;
    assert!(!well && printed.contains("There is no account"), "{printed}");

    for spelling in [|id: &str| id.to_owned(), |id: &str| uuid_of(id).to_string()] {
        command_line(&app, &["token", "create", "--account", &publisher, "--name", "made", "--role", "support"]).await;
        let (_, listed) = command_line(&app, &["token", "list", "--account", &publisher]).await;
        let made = listed.lines().find(|line| line.ends_with("made") && line.contains("live")).expect("a line");
        let made = spelling(made.split(' ').next().expect("an id"));
        let (well, printed) = command_line(&app, &["token", "rotate", &made, "--account", &publisher]).await;
        assert!(well && printed.contains("tok_"), "{printed}");
        let (well, printed) = command_line(&app, &["token", "rotate", &made, "--account", &publisher]).await;
        assert!(!well && printed.contains("rotate tok_"), "{printed}");
        let (well, printed) = command_line(&app, &["token", "revoke", &made, "--account", &publisher]).await;
        assert!(well, "{printed}");
    }
    let (well, printed) = command_line(&app, &["token", "revoke", &token, "--account", "Acme"]).await;
    let says = format!("The account Acme has no token {token}: see `packwright token list --account \"Acme\"`.");
    assert!(!well && printed.contains(&says), "{printed}");
    let (well, printed) = command_line(&app, &["token", "rotate", &token, "--account", "Acme"]).await;
    assert!(!well && printed.contains(&says), "{printed}");
    for role in ["STANDARD_USER", "standard-user", "Standard-User", "standardUser"] {
        let (well, printed) = command_line(&app, &["token", "create", "--account", "Acme", "--role", role]).await;
        assert!(well, "{role}: {printed}");
    }
    let (well, listed) = command_line(&app, &["token", "list", "--account", "Acme"]).await;
    assert!(well && listed.starts_with("ID ") && listed.matches("  standard-user  ").count() == 4, "{listed}");
    let (_, listed) = command_line(&app, &["token", "list", "--account", &publisher, "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let of_publisher = listed.as_array().expect("an array").iter().find(|of| of["id"] == token).expect("it");
    assert_eq!(
        (&of_publisher["role"], &of_publisher["state"]),
        (&json!("ADMINISTRATOR"), &json!("LIVE")),
        "{listed:#}"
    );
    assert!(of_publisher["createdAt"].is_string(), "{listed:#}");
    let (_, listed) = command_line(&app, &["account", "list"]).await;
    assert!(listed.starts_with("ID ") && listed.lines().next().is_some_and(|line| line.ends_with("NAME")), "{listed}");
    let (_, listed) = command_line(&app, &["account", "list", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let of_acme = listed.as_array().expect("an array").iter().find(|of| of["name"] == "Acme").expect("it");
    assert_eq!((&of_acme["id"], &of_acme["publisher"]), (&json!(acme.id), &json!(publisher)), "{listed:#}");
    let (well, printed) = command_line(&app, &["token", "revoke", "made", "--account", &publisher]).await;
    assert!(!well && printed.contains("tok_"), "{printed}");

    let (well, created) = command_line(&app, &["account", "create", "Second"]).await;
    assert!(well && created.trim().starts_with("pub_") && AccountId::parse(&created).is_some(), "{created}");
    let (well, printed) = command_line(&app, &["token", "create", "--account", created.trim()]).await;
    assert!(well, "{printed}");
}

#[test]
fn an_id_of_another_kind_is_none() {
    let (account, token) = ("pub_AZqzIBPlcACVXvHtSkt2Qw", "tok_AZqzIBPlcACVXvHtSkt2Qw");
    assert!(AccountId::parse(account).is_some() && TokenId::parse(token).is_some());
    assert!(AccountId::parse(token).is_none() && TokenId::parse(account).is_none());
    assert_eq!(TokenId::parse(token).map(|id| id.to_string()).as_deref(), Some(token));
    for wrong in ["", "pub_", "pub", "_", "pub_AZqzIBPlcACVXvHtSkt2Q", "PUB_AZqzIBPlcACVXvHtSkt2Qw", "pub_é"] {
        assert!(AccountId::parse(wrong).is_none(), "{wrong}");
    }
}
