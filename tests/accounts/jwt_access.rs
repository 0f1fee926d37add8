//! JWTs that aren't access tokens, the account claim, and enrolment by an administrator's JWT.

use packwright::domain::id::AccountId;
use serde_json::{Value, json};

use crate::accounts::jwt::{World, claims, lets_in, with, world};
use crate::accounts::jwt_issuer::{SigningKey, key_set};
use crate::support::{At as _, TestApp, uuid_of};

fn header(key: &SigningKey, typ: &Value) -> Value {
    let mut header = json!({ "alg": key.algorithm(), "kid": "ed" });
    if !typ.is_null() {
        header["typ"] = typ.clone();
    }
    header
}

#[tokio::test]
async fn r04_only_access_tokens_let_in() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let acme = app.managed("Acme").await;
    let claims = claims(app, &acme.token, "SUPPORT").await;
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        assert!(lets_in(app, &key.jwt_with(&header(&key, &json!(typ)), &claims)).await, "{typ}");
    }
    for typ in ["ID", "id", "id+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "JWS", "", "none", "anything"] {
        assert!(!lets_in(app, &key.jwt_with(&header(&key, &json!(typ)), &claims)).await, "{typ}");
    }
    assert!(!lets_in(app, &key.jwt_with(&header(&key, &json!(null)), &claims)).await, "no type");
    for (claim, value, fine) in [
        ("typ", "Bearer", true),
        ("typ", "bearer", true),
        ("typ", "ID", false),
        ("typ", "Refresh", false),
        ("typ", "Offline", false),
        ("token_use", "access", true),
        ("token_use", "id", false),
        ("at_hash", "77QmUPtjPfzWtF2AnpK9RQ", false),
        ("c_hash", "77QmUPtjPfzWtF2AnpK9RQ", false),
    ] {
        assert_eq!(lets_in(app, &key.jwt(&with(&claims, &[(claim, json!(value))]))).await, fine, "{claim} {value}");
    }
    assert!(!lets_in(app, &key.jwt(&with(&claims, &[("typ", json!(["Bearer"]))]))).await);
}

#[tokio::test]
async fn r04_the_types_are_a_setting() {
    let key = SigningKey::ed("ed");
    let change = |settings: &mut packwright::jwt::JwtSettings| settings.types = vec!["own+jwt".into(), "none".into()];
    let World { app, .. } = &world(&key_set(&[&key]), change).await;
    let acme = app.managed("Acme").await;
    let claims = claims(app, &acme.token, "SUPPORT").await;
    assert!(lets_in(app, &key.jwt_with(&header(&key, &json!("OWN+jwt")), &claims)).await);
    assert!(lets_in(app, &key.jwt_with(&header(&key, &json!(null)), &claims)).await);
    assert!(!lets_in(app, &key.jwt(&claims)).await, "JWT is none of them");
}

#[tokio::test]
async fn r04_a_jwt_without_a_subject_lets_nobody_in() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let acme = app.managed("Acme").await;
    let claims = claims(app, &acme.token, "SUPPORT").await;
    for sub in ["", " ", "\u{1}", "\n\t ", "\u{200b}", "\u{2060}\u{202e}"] {
        assert!(!lets_in(app, &key.jwt(&with(&claims, &[("sub", json!(sub))]))).await, "{sub:?}");
    }
    assert!(lets_in(app, &key.jwt(&claims)).await);
}

#[tokio::test]
async fn r04_the_claim_of_the_account_is_spelt_as_the_api_does_or_as_a_uuid() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let acme = app.managed("Acme").await;
    let base = claims(app, &acme.token, "SUPPORT").await;
    let own = app.gql(&acme.token, "{ viewer { account { id } } }", json!(null)).await.text("/viewer/account/id");
    assert!(own.starts_with("own_") && acme.id.starts_with("acct_"), "{own}, {}", acme.id);
    for id in [own.clone(), acme.id.clone(), uuid_of(&own).to_string()] {
        assert!(lets_in(app, &key.jwt(&with(&base, &[("packwright_account", json!(id))]))).await, "{id}");
    }
    for id in
        [own.replacen("own_", "pack_", 1), own.replacen("own_", "", 1), own[..own.len() - 2].into(), "Acme".into()]
    {
        assert!(!lets_in(app, &key.jwt(&with(&base, &[("packwright_account", json!(id))]))).await, "{id}");
    }
    let publisher =
        app.gql(&app.publisher, "{ viewer { account { id } } }", json!(null)).await.text("/viewer/account/id");
    assert_eq!(AccountId::parse(&publisher).map(|id| id.0), Some(uuid_of(&publisher)));
}

#[tokio::test]
async fn r04_the_subject_itself_may_name_the_account() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |settings| settings.account_claim = "sub".into()).await;
    let acme = app.managed("Acme").await;
    let base = claims(app, &acme.token, "SUPPORT").await;
    assert!(!lets_in(app, &key.jwt(&base)).await);
    assert!(lets_in(app, &key.jwt(&with(&base, &[("sub", json!(acme.id))]))).await);
}

async fn enrolled(app: &TestApp, enrolment: &str) -> bool {
    let answer = app.gql_raw(Some(enrolment), "{ __typename }", json!(null)).await;
    answer.pointer("/errors/0/extensions/code") == Some(&json!("UNAUTHENTICATED"))
}

#[tokio::test]
async fn r01_an_administrators_jwt_enrols_the_account_at_its_first_request() {
    let key = SigningKey::ed("ed");
    let World { app, .. } = &world(&key_set(&[&key]), |_| {}).await;
    let (acme, enrolment) = app.not_enrolled(&app.publisher, "Acme").await;
    let base = with(&claims(app, &app.publisher, "SUPPORT").await, &[("packwright_account", json!(acme))]);
    assert!(lets_in(app, &key.jwt(&base)).await);
    assert!(!enrolled(app, &enrolment).await, "one that may not administer the account leaves it as it is");

    let admin = key.jwt(&with(&base, &[("packwright_role", json!("ADMINISTRATOR"))]));
    let (one, two) = tokio::join!(lets_in(app, &admin), lets_in(app, &admin));
    assert!(one && two);
    assert!(enrolled(app, &enrolment).await, "the publisher can't enrol any more");
    let first = json!({ "name": "first", "role": "ADMINISTRATOR" });
    assert_eq!(app.denied(&enrolment, "createApiToken", first.clone()).await, "UNAUTHENTICATED");
    let again = app.refused(&app.publisher, "reissueEnrolmentToken", json!({ "accountId": acme })).await;
    assert_eq!(again.code, "ALREADY_ENROLLED");

    let log = "{ auditLog(first: 50) { edges { node { action actor { name } } } } }";
    for (token, actor) in [(app.publisher.as_str(), "Acme"), (admin.as_str(), "alice@example.com")] {
        let read = app.gql(token, log, json!(null)).await;
        let edges = read.at("/auditLog/edges").as_array().expect("edges").clone();
        let of: Vec<_> = edges.iter().filter(|edge| edge.text("/node/action") == "enrolManagedAccount").collect();
        assert_eq!(of.len(), 1, "once: {read}");
        assert_eq!(of[0].text("/node/actor/name"), actor);
    }

    let ends = json!({ "name": "ends", "role": "ADMINISTRATOR", "expiresAt": "2027-01-01T00:00:00Z" });
    let refused = app.refused(&admin, "createApiToken", ends.clone()).await;
    assert_eq!(refused.code, "EXPIRY_NOT_ALLOWED", "the first token has no end, however the account was enrolled");
    app.ok(&admin, "createApiToken", first, "secret").await;
    app.ok(&admin, "createApiToken", ends, "secret").await;
}
