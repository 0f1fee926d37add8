//! Speaking GraphQL to the app, and reading its refusals.

use async_graphql::{Request, Variables};
use packwright::http::GraphqlRequest;
use serde_json::{Value, json};

use super::{At, TestApp};

/// Why a mutation refused, from its payload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The code that all of the payload's errors have.
    pub(crate) code: String,
    /// The first error's message; never empty.
    pub(crate) message: String,
    /// The first error's path into `input`, joined with dots: `packages.3.version`; empty for null.
    pub(crate) field: String,
    /// All errors, with the data that their area gives (`components`, `currentRevision`, `earliestDate`,
    /// `latestDate`, `timeZone`, `blockingRelease`, `takenBy`, `groups`, `accounts`, `existing`).
    pub(crate) errors: Vec<Value>,
}

impl TestApp {
    /// The answer, `data` and `errors`, to a query, mutation or introspection.
    pub(crate) async fn gql_raw(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(token, request(query, variables)).await;
        answer.as_object_mut().expect("an answer is an object").remove("extensions");
        answer
    }

    /// The whole answer to a request, with its `extensions`.
    pub(crate) async fn answer(&self, token: Option<&str>, request: impl Into<GraphqlRequest>) -> Value {
        let answer = self.app.execute(token, request).await;
        serde_json::to_value(answer).expect("an answer is JSON")
    }

    /// The `data` of an answer. Panics when there are GraphQL errors.
    pub(crate) async fn gql(&self, token: &str, query: &str, variables: Value) -> Value {
        let answer = self.gql_raw(Some(token), query, variables).await;
        if let Some(errors) = answer.get("errors").and_then(Value::as_array).filter(|errors| !errors.is_empty()) {
            panic!("{query}\nanswered with errors: {errors:#?}");
        }
        answer.at("/data").clone()
    }

    /// The `extensions.code` of an answer that must be a GraphQL error, all errors of it the same, with
    /// nothing of the server's inside.
    pub(crate) async fn error_code(&self, token: Option<&str>, query: &str, variables: Value) -> String {
        let answer = self.gql_raw(token, query, variables).await;
        let errors = answer.get("errors").and_then(Value::as_array).filter(|e| !e.is_empty());
        let errors = errors.unwrap_or_else(|| panic!("{query}\nanswered without an error: {answer:#}"));
        let code = errors[0].text("/extensions/code");
        assert!(errors.iter().all(|error| error.text("/extensions/code") == code), "codes differ: {errors:#?}");
        assert!(
            errors.iter().all(|error| !error.text("/message").is_empty()),
            "an error without a message: {errors:#?}"
        );
        code
    }

    /// The payload of a mutation, accepted or refused: `mutate(token, "createComponent", json!({…}), "component { id }")`.
    /// `errors` with all data of their area are asked for by itself.
    pub(crate) async fn mutate(&self, token: &str, mutation: &str, input: Value, selection: &str) -> Value {
        let data = self.gql(token, &document(mutation, selection), json!({ "input": input })).await;
        data.at(&format!("/{mutation}")).clone()
    }

    /// The payload of a mutation that must be accepted.
    pub(crate) async fn ok(&self, token: &str, mutation: &str, input: Value, selection: &str) -> Value {
        accepted(self.mutate(token, mutation, input, selection).await)
    }

    /// The GraphQL error code of a mutation that must fail so, and must leave nothing behind.
    pub(crate) async fn denied(&self, token: &str, mutation: &str, input: Value) -> String {
        let before = self.world().await;
        let code = self.error_code(Some(token), &document(mutation, ""), json!({ "input": input })).await;
        self.assert_unchanged(&before).await;
        code
    }

    /// The refusal of a mutation that must be refused, and must leave nothing behind of what the first
    /// publisher can see ([`TestApp::world`]).
    pub(crate) async fn refused(&self, token: &str, mutation: &str, input: Value) -> Refusal {
        let before = self.world().await;
        let payload = self.mutate(token, mutation, input, object_of(mutation)).await;
        self.assert_unchanged(&before).await;
        refusal(&payload)
    }
}

/// A request with variables; `Value::Null` for none.
pub(super) fn request(query: &str, variables: Value) -> Request {
    Request::new(query).variables(Variables::from_json(variables))
}

/// The document of a mutation with one `$input`.
fn document(mutation: &str, selection: &str) -> String {
    let (input, errors) = (input_type(mutation), errors_of(mutation));
    format!("mutation($input: {input}!) {{ {mutation}(input: $input) {{ {selection} errors {{ {errors} }} }} }}")
}

/// The name of a mutation's input type: `CreateComponentInput`.
pub(crate) fn input_type(mutation: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    format!("{}{rest}Input", first.to_uppercase())
}

/// What a mutation's payload holds beside its errors, which is null when it refuses.
fn object_of(mutation: &str) -> &'static str {
    match mutation {
        "createComponent" => "component { id }",
        "createPackagedComponents" => "packagedComponents { id }",
        "publishComponent" => "publication { id }",
        "publishToProcessLibrary" | "withdrawFromProcessLibrary" => "publishedProcess { id }",
        "copyFromProcessLibrary" => "component { id }",
        "deletePackagedComponent" | "restorePackagedComponent" => "packagedComponent { id }",
        "createIntegrationPack" | "updateIntegrationPack" | "sharePack" => "integrationPack { id }",
        "unsharePack" => "integrationPack { id } frozenCount",
        "addPackComponents" => "integrationPack { id } components { pinned }",
        pack if pack.ends_with("PackComponent") => "integrationPack { id } component { pinned }",
        "releaseIntegrationPack" | "rescheduleRelease" | "promoteRelease" | "cancelRelease" => "release { id }",
        "createAccountGroup" | "updateAccountGroup" | "addAccountsToGroup" => "accountGroup { id }",
        "removeAccountsFromGroup" => "accountGroup { id } frozenCount",
        "deleteAccountGroup" => "deletedGroupId frozenCount",
        "createManagedAccount" | "reissueEnrolmentToken" => "account { id } enrolmentToken enrolmentExpiresAt",
        "updateAccount" => "account { id } releasesKeepingTimeZone { id }",
        "createApiToken" => "apiToken { id } secret",
        "revokeApiToken" => "apiToken { id }",
        "installPack" | "renameInstallation" => "installation { id }",
        "uninstallPack" => "uninstalledId",
        "applyPendingUpdate" => "update { id } alreadyApplied",
        _ => "",
    }
}

/// What a mutation's errors can be asked for, by its area.
fn errors_of(mutation: &str) -> &'static str {
    match mutation {
        "createComponent"
        | "createPackagedComponents"
        | "deletePackagedComponent"
        | "restorePackagedComponent"
        | "publishComponent" => "code message field takenBy { id version } packs { id name }",
        "releaseIntegrationPack" | "rescheduleRelease" | "promoteRelease" | "cancelRelease" => {
            "code message field earliestDate latestDate timeZone blockingRelease { id state } components { id } currentRevision"
        }
        "createAccountGroup"
        | "updateAccountGroup"
        | "deleteAccountGroup"
        | "addAccountsToGroup"
        | "removeAccountsFromGroup"
        | "sharePack"
        | "unsharePack" => "code message field groups { id } accounts { id }",
        "installPack" | "renameInstallation" | "uninstallPack" | "applyPendingUpdate" => {
            "code message field existing { id }"
        }
        "createIntegrationPack" | "updateIntegrationPack" => "code message field components { id } currentRevision",
        pack if pack.ends_with("PackComponent") || pack.ends_with("PackComponents") => {
            "code message field components { id } currentRevision"
        }
        _ => "code message field",
    }
}

/// The refusal of a payload that must be one: every other field of it is null.
#[track_caller]
pub(crate) fn refusal(payload: &Value) -> Refusal {
    let errors = payload.list("/errors").clone();
    let Some(first) = errors.first() else { panic!("this was accepted: {payload:#}") };
    for (field, value) in payload.as_object().expect("a payload") {
        assert!(field == "errors" || value.is_null() || value == &json!([]), "refused, and yet {field}: {payload:#}");
    }
    let code = first.text("/code");
    assert!(
        errors.iter().all(|error| error.text("/code") == code),
        "a mutation reports the first check that fails: {errors:#?}"
    );
    assert!(errors.iter().all(|error| !error.text("/message").is_empty()), "a refusal says what to do: {errors:#?}");
    let field = match first.at("/field") {
        Value::Null => String::new(),
        _ => first.list("/field").iter().map(|part| part.text("")).collect::<Vec<_>>().join("."),
    };
    Refusal { code, message: first.text("/message"), field, errors }
}

/// The payload, which must have no errors.
#[track_caller]
pub(crate) fn accepted(payload: Value) -> Value {
    assert!(payload.list("/errors").is_empty(), "this was refused: {payload:#}");
    payload
}
