//! Roles and privileges: the table in section 2 of the rules, checked against each mutation of the schema.

use serde_json::{Value, json};

use crate::gate::introspection::Schema;
use crate::support::rows::{all_rows, assert_same_rows, code_of, unknown_like};
use crate::support::{At, TestApp, input_type};

/// Each mutation with the kind of account that may call it and the privilege that it needs.
const TABLE: [(&str, Kinds, &str); 59] = [
    ("createComponent", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("updateComponent", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("deleteComponent", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("createPackagedComponents", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("deletePackagedComponent", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("restorePackagedComponent", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("publishComponent", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    // With groups. Without groups, PACKAGED_COMPONENT_MANAGEMENT is enough.
    ("publishToProcessLibrary", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("withdrawFromProcessLibrary", Kinds::Publisher, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("copyFromProcessLibrary", Kinds::Managed, "PACKAGED_COMPONENT_MANAGEMENT"),
    ("createIntegrationPack", Kinds::Publisher, "INTEGRATION_PACK"),
    ("updateIntegrationPack", Kinds::Publisher, "INTEGRATION_PACK"),
    ("deleteIntegrationPack", Kinds::Publisher, "INTEGRATION_PACK"),
    ("addPackComponents", Kinds::Publisher, "INTEGRATION_PACK"),
    ("removePackComponent", Kinds::Publisher, "INTEGRATION_PACK"),
    ("restorePackComponent", Kinds::Publisher, "INTEGRATION_PACK"),
    ("pinPackComponent", Kinds::Publisher, "INTEGRATION_PACK"),
    ("unpinPackComponent", Kinds::Publisher, "INTEGRATION_PACK"),
    ("releaseIntegrationPack", Kinds::Publisher, "INTEGRATION_PACK"),
    ("rescheduleRelease", Kinds::Publisher, "INTEGRATION_PACK"),
    ("openNextStage", Kinds::Publisher, "INTEGRATION_PACK"),
    ("promoteRelease", Kinds::Publisher, "INTEGRATION_PACK"),
    ("cancelRelease", Kinds::Publisher, "INTEGRATION_PACK"),
    ("reportUpdateOutcome", Kinds::Managed, "APPLY_UPDATES"),
    ("setHaltRule", Kinds::Publisher, "INTEGRATION_PACK"),
    ("pauseRelease", Kinds::Publisher, "INTEGRATION_PACK"),
    ("resumeRelease", Kinds::Publisher, "INTEGRATION_PACK"),
    ("retryFailedUpdates", Kinds::Publisher, "INTEGRATION_PACK"),
    ("rollBackRelease", Kinds::Publisher, "INTEGRATION_PACK"),
    ("createAccountGroup", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("updateAccountGroup", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("deleteAccountGroup", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("addAccountsToGroup", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("removeAccountsFromGroup", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("sharePack", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("unsharePack", Kinds::Publisher, "ACCOUNT_GROUP_MANAGEMENT"),
    ("createManagedAccount", Kinds::Publisher, "ACCOUNT_ADMINISTRATION"),
    ("reissueEnrolmentToken", Kinds::Publisher, "ACCOUNT_ADMINISTRATION"),
    ("suspendAccount", Kinds::Publisher, "ACCOUNT_ADMINISTRATION"),
    ("reactivateAccount", Kinds::Publisher, "ACCOUNT_ADMINISTRATION"),
    ("updateAccount", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("createApiToken", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("revokeApiToken", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("installPack", Kinds::Managed, "INTEGRATION_PACK"),
    ("renameInstallation", Kinds::Managed, "INTEGRATION_PACK"),
    ("uninstallPack", Kinds::Managed, "INTEGRATION_PACK"),
    ("applyPendingUpdate", Kinds::Managed, "APPLY_UPDATES"),
    ("createWebhookEndpoint", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("updateWebhookEndpoint", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("deleteWebhookEndpoint", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("pauseWebhookEndpoint", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("resumeWebhookEndpoint", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("rotateWebhookSecret", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("sendTestEvent", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("createTrustedPublisher", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("deleteTrustedPublisher", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    // Any token may call it. Only the demo's schema has it.
    ("demoAdvanceClock", Kinds::Both, "READ"),
    // Two queries, which are refused differently: with null, and with FORBIDDEN (R1).
    ("apiTokens", Kinds::Both, "ACCOUNT_ADMINISTRATION"),
    ("auditLog", Kinds::Both, "VIEW_AUDIT_LOG"),
];

#[derive(Clone, Copy, PartialEq)]
enum Kinds {
    Publisher,
    Managed,
    Both,
}

/// The privileges of each role: the table in section 2.
const ROLES: [(&str, &[&str]); 4] = [
    (
        "ADMINISTRATOR",
        &[
            "INTEGRATION_PACK",
            "PACKAGED_COMPONENT_MANAGEMENT",
            "ACCOUNT_GROUP_MANAGEMENT",
            "ACCOUNT_ADMINISTRATION",
            "APPLY_UPDATES",
            "READ",
            "VIEW_AUDIT_LOG",
        ],
    ),
    ("STANDARD_USER", &["INTEGRATION_PACK", "PACKAGED_COMPONENT_MANAGEMENT", "APPLY_UPDATES", "READ"]),
    ("PRODUCTION_SUPPORT", &["APPLY_UPDATES", "READ"]),
    ("SUPPORT", &["READ"]),
];

/// The error code of a mutation whose input has only unknown IDs; `None` when it succeeds.
async fn attempt(app: &TestApp, schema: &Schema, token: &str, mutation: &str, unknown: &str) -> Option<String> {
    let field = schema.mutations().iter().find(|field| field.text("/name") == mutation).expect("a mutation");
    let input = schema.sample(field.at("/args/0/type"), &vec![], &|_| false, &|_| json!(unknown));
    let document =
        format!("mutation($input: {}!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}", input_type(mutation));
    let answer = app.gql_raw(Some(token), &document, json!({ "input": input })).await;
    let code = code_of(&answer);
    assert!(code.is_some() || answer.at("/data").is_object(), "{answer:#}");
    code
}

#[tokio::test]
async fn r01_the_table_names_every_mutation() {
    let app = TestApp::new().await;
    let schema = Schema::of(&app).await;
    for field in schema.mutations() {
        let name = field.text("/name");
        assert!(
            TABLE.iter().any(|(mutation, ..)| *mutation == name),
            "{name} is missing: which privilege does it need?"
        );
    }
    for (mutation, ..) in TABLE {
        let elsewhere = ["demoAdvanceClock", "apiTokens", "auditLog"].contains(&mutation);
        assert!(elsewhere || schema.has_field(&schema.roots[1], mutation), "{mutation} is no mutation any more");
    }
}

#[tokio::test]
async fn r01_each_mutation_needs_its_privilege_before_ids_are_looked_at() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let schema = Schema::of(&app).await;
    let unknown = unknown_like(&app.all_accounts().await);
    for (role, privileges) in ROLES {
        let publisher = app.token(&app.publisher, role).await;
        let managed = app.token(&acme.token, role).await;
        for (mutation, kinds, privilege) in TABLE.into_iter().filter(|row| schema.has_field(&schema.roots[1], row.0)) {
            for (token, kind) in [(&publisher, Kinds::Publisher), (&managed, Kinds::Managed)] {
                let allowed = (kinds == Kinds::Both || kinds == kind) && privileges.contains(&privilege);
                let before = all_rows(&app).await;
                let code = attempt(&app, &schema, token, mutation, &unknown).await;
                let side = if kind == Kinds::Publisher { "publisher" } else { "managed account" };
                assert_eq!(code.as_deref() != Some("FORBIDDEN"), allowed, "{mutation} as {role} of a {side}: {code:?}");
                if allowed {
                    assert!(
                        matches!(code.as_deref(), None | Some("NOT_FOUND")),
                        "{mutation} as {role} of a {side}: {code:?}"
                    );
                } else {
                    assert_same_rows(&app, &before, mutation).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn r01_the_viewer_reads_its_privileges() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    for (role, privileges) in ROLES {
        for admin in [&app.publisher, &acme.token] {
            let token = app.token(admin, role).await;
            let viewer = app.gql(&token, "{ viewer { role privileges token { role } } }", json!(null)).await;
            assert_eq!(viewer.text("/viewer/role"), role);
            assert_eq!(viewer.text("/viewer/token/role"), role);
            let mut listed: Vec<_> = viewer.list("/viewer/privileges").iter().filter_map(Value::as_str).collect();
            let mut expected = privileges.to_vec();
            listed.sort_unstable();
            expected.sort_unstable();
            assert_eq!(listed, expected, "{role}");
        }
    }
}

#[tokio::test]
async fn r01_every_role_reads_what_its_account_may_see() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    app.installed_pack("Orders", &[&acme]).await;
    for (role, _) in ROLES {
        let publisher = app.token(&app.publisher, role).await;
        let packs = app.gql(&publisher, "{ integrationPacks { edges { node { name } } } }", json!(null)).await;
        assert_eq!(packs.texts("/integrationPacks", "/name"), ["Orders"], "{role}");
        let managed = app.token(&acme.token, role).await;
        let seen = app.gql(&managed, "{ installations { edges { node { name } } } }", json!(null)).await;
        assert_eq!(seen.texts("/installations", "/name"), ["Orders"], "{role}");
    }
}

#[tokio::test]
async fn r01_production_support_applies_and_support_does_not() {
    let app = TestApp::new().await;
    let acme = app.managed("Acme").await;
    let installed = app.installed_pack("Orders", &[&acme]).await;
    app.update_on(&installed.pack, "2026-12-01").await;
    let update = app.offered(&acme, &installed.installations[0]).await.expect("an offer");
    let (support, production) =
        (app.token(&acme.token, "SUPPORT").await, app.token(&acme.token, "PRODUCTION_SUPPORT").await);
    let can =
        "{ installations { edges { node { viewerCanApply viewerCanUninstall pendingUpdate { viewerCanApply } } } } }";
    let may = |data: &Value| {
        let node = data.nodes("/installations")[0].clone();
        (
            node.at("/viewerCanApply") == true,
            node.at("/pendingUpdate/viewerCanApply") == true,
            node.at("/viewerCanUninstall") == true,
        )
    };
    assert_eq!(may(&app.gql(&support, can, json!(null)).await), (false, false, false));
    assert_eq!(may(&app.gql(&production, can, json!(null)).await), (true, true, false));
    assert_eq!(may(&app.gql(&acme.token, can, json!(null)).await), (true, true, true));
    assert_eq!(app.denied(&support, "applyPendingUpdate", json!({ "updateId": update })).await, "FORBIDDEN");
    let applied = app.ok(&production, "applyPendingUpdate", json!({ "updateId": update }), "alreadyApplied").await;
    assert_eq!(applied.at("/alreadyApplied"), false);
}
