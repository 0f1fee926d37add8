//! The committed schema equals the program's schema, and everything in it has a description.

use std::collections::BTreeMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Pos, Positioned};
use serde_json::json;

use crate::support::{At as _, Setup, TestApp};

#[test]
fn the_committed_schema_is_what_the_program_prints() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let printed = packwright::graphql::sdl();
    if committed != printed {
        let first = committed.lines().zip(printed.lines()).position(|(committed, printed)| committed != printed);
        let line = first.unwrap_or_else(|| committed.lines().count().min(printed.lines().count())) + 1;
        panic!(
            "schema.graphql differs from line {line} on. When the change is meant, run: cargo run -- schema > schema.graphql"
        );
    }
}

fn types(sdl: &str) -> Vec<TypeDefinition> {
    // The framework's parser doesn't support descriptions of a schema definition.
    let described = sdl.rfind("\n\"\"\"\nPackwright keeps ").zip(sdl.rfind("\nschema {"));
    let sdl = described.map_or(sdl.to_owned(), |(from, to)| format!("{}{}", &sdl[..from], &sdl[to..]));
    let document = parse_schema(sdl).unwrap();
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        _ => None,
    });
    types.collect()
}

/// Collects the definitions without a description.
#[derive(Default)]
struct Undescribed(Vec<String>);

impl Undescribed {
    fn check(&mut self, coordinate: &str, description: Option<&Positioned<String>>) {
        if description.is_none_or(|text| text.node.trim().is_empty()) {
            self.0.push(coordinate.to_owned());
        }
    }

    fn inputs(&mut self, coordinate: &str, inputs: &[Positioned<InputValueDefinition>]) {
        for input in inputs {
            self.check(&format!("{coordinate}.{}", input.node.name.node), input.node.description.as_ref());
        }
    }

    fn fields(&mut self, coordinate: &str, fields: &[Positioned<FieldDefinition>]) {
        for field in fields {
            let coordinate = format!("{coordinate}.{}", field.node.name.node);
            self.check(&coordinate, field.node.description.as_ref());
            self.inputs(&coordinate, &field.node.arguments);
        }
    }

    fn of(&mut self, definition: &TypeDefinition) {
        let name = definition.name.node.as_str();
        self.check(name, definition.description.as_ref());
        match &definition.kind {
            TypeKind::Object(object) => self.fields(name, &object.fields),
            TypeKind::Interface(interface) => self.fields(name, &interface.fields),
            TypeKind::InputObject(input) => self.inputs(name, &input.fields),
            TypeKind::Enum(values) => {
                for value in &values.values {
                    self.check(&format!("{name}.{}", value.node.value.node), value.node.description.as_ref());
                }
            }
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }
}

#[test]
fn everything_in_the_schema_is_described() {
    let mut undescribed = Undescribed::default();
    for edition in [false, true] {
        types(&packwright::graphql::schema(edition).sdl()).iter().for_each(|definition| undescribed.of(definition));
    }
    assert!(undescribed.0.is_empty(), "without a description:\n{}", undescribed.0.join("\n"));
}

#[test]
fn the_check_of_descriptions_finds_missing_ones() {
    let mut undescribed = Undescribed::default();
    let sdl = "type Query { a(b: Int): Int } \"\" enum E { \"described\" V W } input I { x: Int } interface N { id: ID! } scalar S";
    types(sdl).iter().for_each(|definition| undescribed.of(definition));
    let expected = ["Query", "Query.a", "Query.a.b", "E", "E.W", "I", "I.x", "N", "N.id", "S"];
    assert_eq!(undescribed.0, expected);
    let placed = Positioned::new(" ".to_owned(), Pos::default());
    undescribed.check("blank", Some(&placed));
    assert_eq!(undescribed.0.len(), expected.len() + 1);
}

#[test]
fn each_mutation_takes_one_input_and_answers_with_a_payload() {
    let all = types(&packwright::graphql::sdl());
    let fields = |name: &str| -> Vec<(String, String)> {
        let found =
            all.iter().find(|definition| definition.name.node == name).unwrap_or_else(|| panic!("no type {name}"));
        let TypeKind::Object(object) = &found.kind else { panic!("{name} is no object") };
        object.fields.iter().map(|field| (field.node.name.node.to_string(), field.node.ty.node.to_string())).collect()
    };
    let mutations = fields("Mutation");
    assert!(mutations.len() > 20);
    for (name, ty) in mutations {
        let (first, rest) = name.split_at(1);
        let payload = format!("{}{rest}Payload", first.to_uppercase());
        assert_eq!(ty, format!("{payload}!"));
        let errors = fields(&payload).into_iter().find(|(field, _)| field == "errors");
        let (_, errors) = errors.unwrap_or_else(|| panic!("{payload} has no errors"));
        assert!(errors.starts_with('[') && errors.ends_with("Error!]!"), "{payload}.errors is {errors}");
        let others =
            fields(&payload).into_iter().filter(|(field, _)| field != "errors" && field != "releasesKeepingTimeZone");
        for (field, ty) in others {
            assert!(!ty.ends_with('!'), "{payload}.{field} can't be null when it refuses");
        }
    }
}

#[test]
fn connections_are_those_of_relay() {
    let all = types(&packwright::graphql::sdl());
    let connections = all.iter().filter(|definition| definition.name.node.ends_with("Connection"));
    let mut count = 0;
    for connection in connections {
        count += 1;
        let TypeKind::Object(object) = &connection.kind else { panic!("{} is no object", connection.name.node) };
        let fields: Vec<_> =
            object.fields.iter().map(|f| format!("{}: {}", f.node.name.node, f.node.ty.node)).collect();
        let edge = connection.name.node.replace("Connection", "Edge");
        assert_eq!(fields, [format!("edges: [{edge}!]!"), "pageInfo: PageInfo!".into(), "totalCount: Int".into()]);
    }
    assert!(count >= 10);
}

/// The demo has an interface `UserError` of its own, for one error more.
#[test]
fn the_demo_s_objects_have_the_interfaces_that_they_have_elsewhere() {
    let interfaces = |is_demo: bool| -> BTreeMap<String, Vec<String>> {
        let objects = types(&packwright::graphql::schema(is_demo).sdl()).into_iter().filter_map(|definition| {
            match definition.kind {
                TypeKind::Object(object) => {
                    let mut names: Vec<_> = object.implements.iter().map(|name| name.node.to_string()).collect();
                    names.sort();
                    Some((definition.name.node.to_string(), names))
                }
                _ => None,
            }
        });
        objects.collect()
    };
    let demo = interfaces(true);
    for (object, names) in interfaces(false) {
        assert_eq!(demo.get(&object), Some(&names), "{object}");
    }
}

#[test]
fn the_clock_can_be_moved_in_the_demo_s_schema_alone() {
    for field in ["demoAdvanceClock", "demoReset"] {
        assert!(!packwright::graphql::sdl().contains(field));
        assert!(packwright::graphql::schema(true).sdl().contains(field));
    }
}

#[tokio::test]
async fn the_schema_says_what_it_is_of_to_introspection_as_in_its_text() {
    let app = TestApp::new().await;
    let described_text = app.gql(&app.publisher, "{ __schema { of: description } }", json!(null)).await;
    let described = described_text.text("/__schema/of");
    assert!(described.starts_with("Packwright keeps "), "{described}");
    let printed = packwright::graphql::sdl();
    assert!(printed.contains(&format!("\"\"\"\n{described}\n\"\"\"\nschema {{\n")), "the text says something else");
}

/// Descriptions must not use the rules' numbers: clients don't know the page of rules.
#[test]
fn no_description_names_a_rule_by_its_number() {
    for edition in [false, true] {
        let sdl = packwright::graphql::schema(edition).sdl();
        let named = |line: &&str| {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric());
            words
                .filter_map(|word| word.strip_prefix('R'))
                .any(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        };
        let lines: Vec<_> = sdl.lines().filter(named).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
}

#[test]
fn each_input_of_a_mutation_is_described_by_words_of_its_own() {
    let all = types(&packwright::graphql::schema(true).sdl());
    let root = all.iter().find(|definition| definition.name.node == "Mutation").unwrap();
    let TypeKind::Object(root) = &root.kind else { panic!("Mutation is no object") };
    let mut seen = std::collections::BTreeMap::new();
    for field in &root.fields {
        for argument in &field.node.arguments {
            let described = argument.node.description.as_ref().map(|text| text.node.clone()).unwrap_or_default();
            if let Some(other) = seen.insert(described.clone(), field.node.name.node.clone()) {
                panic!("{other} and {} both take: {described}", field.node.name.node);
            }
        }
    }
    assert!(seen.len() > 30);
}

#[tokio::test]
async fn outside_demo_mode_the_field_does_not_exist() {
    let document =
        "mutation($input: DemoAdvanceClockInput!) { demoAdvanceClock(input: $input) { now errors { code } } }";
    let variables = json!({ "input": { "bySeconds": 60 } });
    let app = TestApp::new().await;
    assert_eq!(app.error_code(Some(&app.publisher), document, variables.clone()).await, "GRAPHQL_VALIDATION_FAILED");
    let demo = TestApp::with(Setup { demo: true, ..Setup::default() }).await;
    let moved = demo.gql(&demo.publisher, document, variables).await;
    assert_eq!(moved.at("/demoAdvanceClock"), &json!({ "now": "2026-11-22T09:01:00.000000Z", "errors": [] }));
}
