//! Calls the app with GraphQL, and reads refusals.

use async_graphql::{Request, Variables};
use packwright::http::GraphqlRequest;
use serde_json::{Value, json};

use super::{At, TestApp};

/// The refusal in a mutation's payload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The code, which all errors of the payload share.
    pub(crate) code: String,
    /// The first error's message; never empty.
    pub(crate) message: String,
    /// The first error's path into `input`, joined with dots: `packages.3.version`; empty for null.
    pub(crate) field: String,
    /// All errors, with the data of their area (`components`, `currentRevision`, `earliestDate`, `latestDate`,
    /// `timeZone`, `blockingRelease`, `takenBy`, `groups`, `accounts`, `existing`).
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

    /// The `extensions.code` of an answer that must be a GraphQL error. All its errors must have the same code, and
    /// show nothing internal.
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

    /// The payload of a mutation, accepted or refused: `mutate(token, "createComponent", json!({…}), "component { id
    /// }")`. Adds `errors` with all data of the area to the selection.
    pub(crate) async fn mutate(&self, token: &str, mutation: &str, input: Value, selection: &str) -> Value {
        let data = self.gql(token, &document(mutation, selection), json!({ "input": input })).await;
        data.at(&format!("/{mutation}")).clone()
    }

    /// The payload of a mutation that must be accepted.
    pub(crate) async fn ok(&self, token: &str, mutation: &str, input: Value, selection: &str) -> Value {
        accepted(self.mutate(token, mutation, input, selection).await)
    }

    /// The GraphQL error code of a mutation that must fail and change nothing.
    pub(crate) async fn denied(&self, token: &str, mutation: &str, input: Value) -> String {
        let before = self.world().await;
        let code = self.error_code(Some(token), &document(mutation, ""), json!({ "input": input })).await;
        self.assert_unchanged(&before).await;
        code
    }

    /// The refusal of a mutation that must be refused and change nothing that the first publisher can see
    /// ([`TestApp::world`]).
    pub(crate) async fn refused(&self, token: &str, mutation: &str, input: Value) -> Refusal {
        let before = self.world().await;
        let payload = self.mutate(token, mutation, input, object_of(mutation)).await;
        self.assert_unchanged(&before).await;
        refusal(&payload)
    }
}

/// A code and a field, to compare with those of a [`Refusal`].
pub(crate) fn code_and_field(code: &str, field: &str) -> (String, String) {
    (code.into(), field.into())
}

/// A request with variables; `Value::Null` for none.
pub(super) fn request(query: &str, variables: Value) -> Request {
    Request::new(query).variables(Variables::from_json(variables))
}

/// The document of a mutation with one `$input`.
pub(crate) fn document(mutation: &str, selection: &str) -> String {
    let (input, errors) = (input_type(mutation), errors_of(mutation));
    format!("mutation($input: {input}!) {{ {mutation}(input: $input) {{ {selection} errors {{ {errors} }} }} }}")
}

/// The name of a mutation's input type: `CreateComponentInput`.
pub(crate) fn input_type(mutation: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    format!("{}{rest}Input", first.to_uppercase())
}

/// A selection of the payload's object, which is null when the mutation refuses.
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
        "releaseIntegrationPack" | "rescheduleRelease" | "promoteRelease" | "cancelRelease" | "openNextStage" => {
            "release { id }"
        }
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
        "reportUpdateOutcome" => "update { id } report { id }",
        "pauseRelease" | "resumeRelease" | "setHaltRule" => "release { id }",
        "createWebhookEndpoint" | "rotateWebhookSecret" => "endpoint { id } secret",
        "updateWebhookEndpoint" | "pauseWebhookEndpoint" | "resumeWebhookEndpoint" => "endpoint { id }",
        "createTrustedPublisher" => "trustedPublisher { id }",
        "deleteTrustedPublisher" => "deletedTrustedPublisherId",
        _ => "",
    }
}

/// A selection of all fields of a mutation's errors, by area.
fn errors_of(mutation: &str) -> &'static str {
    match mutation {
        "createComponent"
        | "createPackagedComponents"
        | "deletePackagedComponent"
        | "restorePackagedComponent"
        | "publishComponent" => "code message field takenBy { id version } packs { id name }",
        "releaseIntegrationPack"
        | "rescheduleRelease"
        | "promoteRelease"
        | "cancelRelease"
        | "openNextStage"
        | "rollBackRelease" => {
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

/// The refusal in a payload, in which every other field must be null.
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
