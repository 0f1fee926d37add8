//! Reads everything that a token can reach. The schema drives the walk, so it covers new fields without a change. When
//! a field needs an argument that the walk doesn't know, the walk fails until it is added.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::gate::introspection::{Schema, is_list, is_required, named};
use crate::support::rows::code_of;
use crate::support::{At, TestApp};

/// The values of required arguments that aren't IDs, by the argument's name.
const KNOWN_ARGUMENTS: [(&str, &str); 6] = [
    ("number", "1"),
    ("instant", "\"2026-11-22T09:00:00Z\""),
    ("from", "1"),
    ("to", "2"),
    ("date", "\"2027-01-31\""),
    ("timeZone", "\"Europe/Berlin\""),
];

/// How deep a selection goes below a node: connections, edges, rows, actors.
const DEPTH: usize = 7;

/// Everything that a token can reach.
#[derive(Default)]
pub(crate) struct Walk {
    /// The global IDs, each with its type.
    pub(crate) ids: BTreeMap<String, String>,
    /// All answers as text, to search for secrets.
    pub(crate) text: String,
    /// The root fields that the token may not use.
    pub(crate) forbidden: BTreeSet<String>,
}

impl Walk {
    /// Walks from every root field that needs no ID, and on from every object found.
    pub(crate) async fn from_the_roots(app: &TestApp, schema: &Schema, token: &str) -> Self {
        let mut walk = Self::default();
        for field in schema.queries() {
            let Some(call) = call(field) else { continue };
            let document = format!("{{ {call} {} }}", selection(schema, &named(field.at("/type")), DEPTH));
            let answer = app.gql_raw(Some(token), &document, json!(null)).await;
            if code_of(&answer).as_deref() == Some("FORBIDDEN") {
                walk.forbidden.insert(field.text("/name"));
                continue;
            }
            walk.take(&document, &answer);
        }
        walk.go_on(app, schema, token, BTreeSet::new()).await;
        walk
    }

    /// Walks on from objects found elsewhere: the items of a subscription.
    pub(crate) async fn also_from(&mut self, app: &TestApp, schema: &Schema, token: &str, items: &[Value]) {
        let found = self.ids.keys().cloned().collect();
        for item in items {
            self.take("a subscription", &json!({ "data": item }));
        }
        self.go_on(app, schema, token, found).await;
    }

    async fn go_on(&mut self, app: &TestApp, schema: &Schema, token: &str, found: BTreeSet<String>) {
        let mut requested = found;
        let mut next: VecDeque<String> = self.ids.keys().filter(|id| !requested.contains(*id)).cloned().collect();
        while let Some(id) = next.pop_front() {
            if !requested.insert(id.clone()) {
                continue;
            }
            let type_name = self.ids[&id].clone();
            assert!(schema.is_node(&type_name), "{type_name} has an ID and is no Node");
            let below = selection(schema, &type_name, DEPTH);
            let document =
                format!("query($id: ID!) {{ node(id: $id) {{ __typename id ... on {type_name} {below} }} }}");
            let answer = app.gql_raw(Some(token), &document, json!({ "id": id })).await;
            assert_eq!(
                answer.at("/data/node/id"),
                &json!(id),
                "{type_name} {id} was told and can't be read: {answer:#}"
            );
            assert_eq!(answer.text("/data/node/__typename"), type_name);
            self.take(&document, &answer);
            next.extend(self.ids.keys().filter(|id| !requested.contains(*id)).cloned());
        }
    }

    /// Adds an answer, which must have no errors.
    fn take(&mut self, document: &str, answer: &Value) {
        assert_eq!(code_of(answer), None, "{document}\n{answer:#}");
        self.text.push_str(&answer.to_string());
        self.text.push('\n');
        self.learn(answer.at("/data"));
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                if let (Some(Value::String(type_name)), Some(Value::String(id))) =
                    (fields.get("__typename"), fields.get("id"))
                {
                    self.ids.insert(id.clone(), type_name.clone());
                }
                fields.values().for_each(|field| self.learn(field));
            }
            _ => {}
        }
    }

    /// The IDs that this walk has found and `other` hasn't.
    pub(crate) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a String, &'a String)> {
        self.ids.iter().filter(|(id, _)| !other.ids.contains_key(*id))
    }

    /// The types of the objects that both walks have found.
    pub(crate) fn shared_types(&self, other: &Self) -> BTreeSet<&str> {
        self.ids.iter().filter(|(id, _)| other.ids.contains_key(*id)).map(|(_, type_name)| type_name.as_str()).collect()
    }
}

/// A field with its arguments: the largest page, and the [`KNOWN_ARGUMENTS`]. `None` for a field that needs an ID,
/// because the object with that ID is read anyway.
fn call(field: &Value) -> Option<String> {
    let mut arguments = Vec::new();
    // One object, by its ID or by a key.
    if field.list("/args").iter().any(|argument| argument.text("/name") == "key") {
        return None;
    }
    for argument in field.list("/args") {
        let (name, wants) = (argument.text("/name"), named(argument.at("/type")));
        if name == "first" {
            arguments.push("first: 100".to_owned());
        } else if is_required(argument) {
            if wants == "ID" {
                return None;
            }
            let found = KNOWN_ARGUMENTS.iter().find(|(found, _)| *found == name);
            let (_, value) =
                found.unwrap_or_else(|| panic!("the walk has nothing for {}({name}): teach it", field.text("/name")));
            arguments.push(format!("{name}: {value}"));
        }
    }
    let name = field.text("/name");
    Some(if arguments.is_empty() { name } else { format!("{name}({})", arguments.join(", ")) })
}

/// A selection of all fields of a type: leaves, objects down to `depth`, and only the ID of objects that can be read by
/// it.
pub(crate) fn selection(schema: &Schema, type_name: &str, depth: usize) -> String {
    let mut parts = vec!["__typename".to_owned()];
    for field in schema.fields(type_name) {
        let Some(call) = call(field) else { continue };
        let of = named(field.at("/type"));
        match schema.kind(&of).as_str() {
            "SCALAR" | "ENUM" => parts.push(call),
            // Objects with such an interface can be read by their ID.
            "INTERFACE" if schema.has_field(&of, "id") => parts.push(format!("{call} {{ __typename id }}")),
            "UNION" => parts.push(format!("{call} {{ __typename ... on Node {{ id }} }}")),
            _ if schema.is_node(&of) => parts.push(format!("{call} {{ __typename id }}")),
            _ => {
                assert!(depth > 0, "{type_name}.{} is too deep for the walk: raise DEPTH", field.text("/name"));
                parts.push(format!("{call} {}", selection(schema, &of, depth - 1)));
            }
        }
    }
    format!("{{ {} }}", parts.join(" "))
}

/// How many objects the selection of a payload follows before it takes only their IDs.
const HOPS: usize = 3;

/// A selection of a mutation's payload. Its objects may just have been deleted and can't be read by ID, so the
/// selection follows single objects directly.
pub(crate) fn payload_selection(schema: &Schema, type_name: &str) -> String {
    onward(schema, type_name, HOPS)
}

fn onward(schema: &Schema, type_name: &str, hops: usize) -> String {
    let mut parts = vec!["__typename".to_owned()];
    for field in schema.fields(type_name) {
        let Some(call) = call(field) else { continue };
        let of = named(field.at("/type"));
        let below = if is_list(field.at("/type")) { 0 } else { hops };
        match schema.kind(&of).as_str() {
            "SCALAR" | "ENUM" => parts.push(call),
            "INTERFACE" if schema.has_field(&of, "id") => parts.push(format!("{call} {{ __typename id }}")),
            "INTERFACE" => parts.push(format!("{call} {{ __typename }}")),
            "UNION" => parts.push(format!("{call} {{ __typename ... on Node {{ id }} }}")),
            _ if schema.is_node(&of) && below == 0 => parts.push(format!("{call} {{ __typename id }}")),
            _ if schema.is_node(&of) => parts.push(format!("{call} {}", onward(schema, &of, below - 1))),
            _ => parts.push(format!("{call} {}", onward(schema, &of, below))),
        }
    }
    format!("{{ {} }}", parts.join(" "))
}
