//! Isolation: no field and no mutation gives an account access to objects of another account.
//!
//! Introspection drives the tests. The lists below must have an entry for each new type or field: the types that two
//! accounts may both know, and the type of the object that an ID in an input names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::accounts::stranger_world::{
    SECRETS_OF_ACME, SECRETS_OF_GLOBEX, SECRETS_OF_PUBLISHER, SECRETS_OF_SOUTHWIND, Side, StrangerWorld,
};
use crate::gate::introspection::{Path, is_list, is_required};
use crate::support::At;
use crate::support::rows::{all_rows, assert_same_rows, code_of, refusal_of, unknown_like, with_large_stack};

/// The types of which a publisher and its managed account both know objects under the same ID. The publisher sees its
/// accounts' installations.
const SHARED_WITH_PUBLISHER: [&str; 7] = [
    "Installation",
    "InstallationUpdate",
    "UpdateOutcomeReport",
    "InstallationEvent",
    "ReleaseEvent",
    "AccountEvent",
    "AuditEntry",
];

/// The types of which two managed accounts of one publisher both know objects: those of a shared pack.
const SHARED_BY_ACCOUNTS: [&str; 4] = ["AvailablePack", "AvailablePackVersion", "AnnouncedRelease", "ReleaseEvent"];

/// The type of an ID in an input, by the name of its field: for a publisher, for a managed account.
const NAMES: [(&str, &str, &str); 24] = [
    ("id", "*", "*"),
    ("ids", "*", "*"),
    ("packId", "IntegrationPack", "AvailablePack"),
    ("addableToPackId", "IntegrationPack", "IntegrationPack"),
    ("withoutPackId", "IntegrationPack", "IntegrationPack"),
    ("componentId", "Component", "Component"),
    ("componentIds", "Component", "Component"),
    ("processId", "PublishedProcess", "AvailableProcess"),
    ("packagedComponentId", "PackagedComponent", "PackagedComponent"),
    ("versionId", "PackagedComponent", "PackagedComponent"),
    ("releaseId", "Release", "Release"),
    ("cohortOf", "Release", "Release"),
    ("groupId", "AccountGroup", "AccountGroup"),
    ("withoutGroupId", "AccountGroup", "AccountGroup"),
    ("withPackId", "IntegrationPack", "IntegrationPack"),
    ("groupIds", "AccountGroup", "AccountGroup"),
    ("accountId", "ManagedAccount", "ManagedAccount"),
    ("accountIds", "ManagedAccount", "ManagedAccount"),
    ("tokenId", "ApiToken", "ApiToken"),
    ("installationId", "Installation", "Installation"),
    ("updateId", "InstallationUpdate", "InstallationUpdate"),
    ("subjectId", "*", "*"),
    ("endpointId", "WebhookEndpoint", "WebhookEndpoint"),
    ("trustedPublisherId", "TrustedPublisher", "TrustedPublisher"),
];

/// The name of the field that contains an ID: the last part of the path that isn't an index.
fn field_of(path: &Path) -> &str {
    path.iter().rev().find(|part| part.parse::<usize>().is_err()).expect("a field's name")
}

/// One of the stranger's own IDs for a field, so that only the ID under attack is wrong.
fn own_id(side: &Side, path: &Path) -> Value {
    let field = field_of(path);
    let (_, publisher, managed) = NAMES.into_iter().find(|(name, ..)| *name == field).unwrap_or_else(|| {
        panic!("what does an ID in `{field}` name? Enter it into NAMES.");
    });
    let expected_type = if side.is_publisher { publisher } else { managed };
    let own = side
        .walk
        .ids
        .iter()
        .find(|(_, type_name)| expected_type == "*" || *type_name == expected_type)
        .map(|(id, _)| id.clone());
    // An unknown ID when the stranger has none of the type. The call must be refused all the same.
    json!(own.unwrap_or_else(|| unknown_like(side.walk.ids.keys().next().expect("an ID of one's own"))))
}

/// Foreign IDs for an attack: one of each type, and all of the type that the field accepts.
fn candidates<'a>(world: &'a StrangerWorld, stranger: &'a Side, field: &str) -> Vec<&'a str> {
    let (_, publisher, managed) = NAMES.into_iter().find(|(name, ..)| *name == field).expect("entered into NAMES");
    let mut seen = BTreeSet::new();
    let foreign = world.foreign_to(stranger);
    foreign.into_iter().filter(|(_, t)| seen.insert(*t) || *t == publisher || *t == managed).map(|(id, _)| id).collect()
}

#[test]
fn r03_a_stranger_reads_nothing_of_others() {
    with_large_stack(async || {
        let world = StrangerWorld::build().await;
        no_two_accounts_know_the_same_object_but_what_is_shared_between_them(&world);
        nothing_secret_is_in_any_answer_to_another_account(&world);
        node_is_null_for_everything_of_others(&world).await;
    });
}

fn no_two_accounts_know_the_same_object_but_what_is_shared_between_them(world: &StrangerWorld) {
    let [a, acme, globex, b, b_managed] = world.sides();
    for (one, other, allowed) in [
        (a, acme, SHARED_WITH_PUBLISHER.as_slice()),
        (a, globex, SHARED_WITH_PUBLISHER.as_slice()),
        (acme, globex, SHARED_BY_ACCOUNTS.as_slice()),
        (b, b_managed, SHARED_WITH_PUBLISHER.as_slice()),
        (a, b, &[]),
        (a, b_managed, &[]),
        (acme, b, &[]),
        (acme, b_managed, &[]),
        (globex, b, &[]),
        (globex, b_managed, &[]),
    ] {
        let shared = one.walk.shared_types(&other.walk);
        let unexpected: Vec<_> = shared.iter().filter(|name| !allowed.contains(name)).collect();
        assert!(unexpected.is_empty(), "{} and {} both know some {unexpected:?}", one.name, other.name);
    }
    // The world is large enough: some account has met every type that can be read by ID.
    let met: BTreeSet<_> = world.sides().iter().flat_map(|side| side.walk.ids.values()).cloned().collect();
    for name in world.schema.get("Node").list("/possibleTypes").iter().map(|t| t.text("/name")) {
        assert!(met.contains(&name), "no {name} in this world: put one there");
    }
}

fn nothing_secret_is_in_any_answer_to_another_account(world: &StrangerWorld) {
    let [a, acme, globex, b, b_managed] = world.sides();
    for (reader, secrets) in [
        (a, vec![SECRETS_OF_SOUTHWIND]),
        (acme, vec![SECRETS_OF_PUBLISHER, SECRETS_OF_GLOBEX, SECRETS_OF_SOUTHWIND]),
        (globex, vec![SECRETS_OF_PUBLISHER, SECRETS_OF_ACME, SECRETS_OF_SOUTHWIND]),
        (b, vec![SECRETS_OF_PUBLISHER, SECRETS_OF_ACME, SECRETS_OF_GLOBEX]),
        (b_managed, vec![SECRETS_OF_PUBLISHER, SECRETS_OF_ACME, SECRETS_OF_GLOBEX]),
    ] {
        for secret in secrets.into_iter().flatten() {
            assert!(!reader.walk.text.contains(secret), "{} reads {secret:?}", reader.name);
        }
        for (id, type_name) in world.foreign_to(reader) {
            let spelt = format!("\"{id}\"");
            assert!(!reader.walk.text.contains(&spelt), "{} reads the ID of a {type_name}", reader.name);
        }
    }
    for (side, secrets) in
        [(a, SECRETS_OF_PUBLISHER), (acme, SECRETS_OF_ACME), (globex, SECRETS_OF_GLOBEX), (b, SECRETS_OF_SOUTHWIND)]
    {
        for secret in secrets {
            assert!(
                side.walk.text.contains(secret),
                "{} itself doesn't read {secret:?}: the test tells nothing",
                side.name
            );
        }
    }
}

async fn node_is_null_for_everything_of_others(world: &StrangerWorld) {
    for stranger in world.sides() {
        let foreign = world.foreign_to(stranger);
        assert!(foreign.len() > 20, "{} has few others: {}", stranger.name, foreign.len());
        for (id, type_name) in &foreign {
            let answer = world
                .app
                .gql_raw(Some(&stranger.token), "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id }))
                .await;
            assert_eq!(answer, json!({ "data": { "node": null } }), "{} reads a {type_name}", stranger.name);
        }
        for chunk in foreign.chunks(100) {
            let ids: Vec<_> = chunk.iter().map(|(id, _)| id).collect();
            let nodes = world
                .app
                .gql(&stranger.token, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": ids }))
                .await;
            assert!(nodes.list("/nodes").iter().all(Value::is_null), "{}: {nodes:#}", stranger.name);
        }
    }
}

#[test]
fn r03_no_root_field_that_takes_an_id_reveals_objects_of_others() {
    with_large_stack(async || attack_fields(&StrangerWorld::build().await).await);
}

async fn attack_fields(world: &StrangerWorld) {
    let roots = [("query", world.schema.queries()), ("subscription", world.schema.subscriptions())];
    for (root, field) in roots.iter().flat_map(|(root, fields)| fields.iter().map(move |field| (*root, field))) {
        let name = field.text("/name");
        if ["node", "nodes"].contains(&name.as_str()) {
            continue;
        }
        for argument in field.list("/args") {
            for path in world.schema.id_paths(argument.at("/type"), &vec![argument.text("/name")]) {
                attack_field(world, root, field, &path).await;
            }
        }
    }
}

/// Asks a root field for every foreign ID, at one position in its arguments.
async fn attack_field(world: &StrangerWorld, root: &str, field: &Value, path: &Path) {
    for stranger in world.sides() {
        for id in candidates(world, stranger, field_of(path)) {
            let given: Vec<_> =
                field.list("/args").iter().filter(|arg| is_required(arg) || arg.text("/name") == path[0]).collect();
            let value = |argument: &Value| {
                let start = vec![argument.text("/name")];
                let id_at = |at: &Path| if at == path { json!(id) } else { own_id(stranger, at) };
                world.schema.sample(argument.at("/type"), &start, &|at| path.starts_with(at), &id_at)
            };
            let given: Vec<_> = given.into_iter().map(|arg| (arg.text("/name"), value(arg))).collect();
            let selection = world.schema.shallow(&crate::gate::introspection::named(field.at("/type")));
            let (document, variables) = world.schema.operation(root, field, &given, &selection);
            let code = if root == "subscription" {
                world.app.first_error(Some(&stranger.token), &document, variables).await
            } else {
                code_of(&world.app.gql_raw(Some(&stranger.token), &document, variables).await)
            };
            let refused = matches!(code.as_deref(), Some("NOT_FOUND" | "FORBIDDEN"));
            assert!(refused, "{}: {document} with the foreign {id} at {path:?} answers {code:?}", stranger.name);
        }
    }
}

#[test]
fn r03_every_mutation_refuses_a_strangers_ids_and_changes_nothing() {
    with_large_stack(async || attack_mutations(&StrangerWorld::build().await).await);
}

async fn attack_mutations(world: &StrangerWorld) {
    let (mut attacks, mut leaks) = (0, Vec::new());
    for field in world.schema.mutations() {
        let argument = field.at("/args/0");
        let paths = world.schema.id_paths(argument.at("/type"), &vec!["input".into()]);
        for path in &paths {
            for stranger in world.sides() {
                let before = all_rows(&world.app).await;
                for id in candidates(world, stranger, field_of(path)) {
                    leaks.extend(attack_mutation(world, stranger, field, path, id).await);
                    attacks += 1;
                }
                assert_same_rows(&world.app, &before, &format!("{} at {path:?}", field.text("/name"))).await;
            }
        }
        assert!(field.list("/args").len() == 1 && !is_list(argument.at("/type")), "a mutation takes one input");
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(attacks > 500, "only {attacks} attacks: where are the others' objects?");
}

/// Calls a mutation with one foreign ID in an otherwise correct input. Returns an explanation when it isn't refused.
async fn attack_mutation(
    world: &StrangerWorld,
    stranger: &Side,
    field: &Value,
    path: &Path,
    id: &str,
) -> Option<String> {
    let name = field.text("/name");
    let argument = field.at("/args/0");
    let id_at = |at: &Path| if at == path { json!(id) } else { own_id(stranger, at) };
    let input = world.schema.sample(argument.at("/type"), &vec!["input".into()], &|at| path.starts_with(at), &id_at);
    let given = [("input".to_owned(), input)];
    let (document, variables) = world.schema.operation("mutation", field, &given, "{ errors { code } }");
    let answer = world.app.gql_raw(Some(&stranger.token), &document, variables).await;
    let refused = match code_of(&answer).as_deref() {
        Some(code) => ["NOT_FOUND", "FORBIDDEN"].contains(&code),
        // The account's own update, which it can't see since it lost its grant (R45).
        None => {
            let payload = answer.at(&format!("/data/{name}"));
            name == "applyPendingUpdate" && refusal_of(payload).as_deref() == Some("NOT_ENTITLED")
        }
    };
    (!refused).then(|| format!("{}: {name} with the foreign {id} at {path:?} answers {answer}", stranger.name))
}
