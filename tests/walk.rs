//! Reads everything that a token can reach, driven by the schema itself: a field that is added tomorrow
//! is walked tomorrow. No list of types stands here; where a field needs an argument that the walk can't
//! make up, it fails and wants to be taught.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::introspection::{Schema, is_list, is_required, named};
use crate::support::{At, TestApp};
use crate::support_more::code_of;

/// What the walk gives for arguments that are required and no IDs, by the argument's name.
const KNOWN_ARGUMENTS: [(&str, &str); 5] =
    [("number", "1"), ("from", "1"), ("to", "2"), ("date", "\"2027-01-31\""), ("timeZone", "\"Europe/Berlin\"")];

/// How deep a selection goes below a node before it stops at names: connections, edges, rows, actors.
const DEPTH: usize = 7;

/// All that a token can reach.
#[derive(Default)]
pub(crate) struct Walk {
    /// The global IDs, each with its type.
    pub(crate) ids: BTreeMap<String, String>,
    /// Every answer, as text: what must not be told must not be in it.
    pub(crate) text: String,
    /// The root fields that the token may not ask.
    pub(crate) forbidden: BTreeSet<String>,
}

impl Walk {
    /// Walks from every root field that needs no ID, and then from every object found.
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

    /// Goes on from what was learned elsewhere: the items of a subscription.
    pub(crate) async fn also_from(&mut self, app: &TestApp, schema: &Schema, token: &str, items: &[Value]) {
        let known = self.ids.keys().cloned().collect();
        for item in items {
            self.take("a subscription", &json!({ "data": item }));
        }
        self.go_on(app, schema, token, known).await;
    }

    async fn go_on(&mut self, app: &TestApp, schema: &Schema, token: &str, known: BTreeSet<String>) {
        let mut asked = known;
        let mut next: VecDeque<String> = self.ids.keys().filter(|id| !asked.contains(*id)).cloned().collect();
        while let Some(id) = next.pop_front() {
            if !asked.insert(id.clone()) {
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
            next.extend(self.ids.keys().filter(|id| !asked.contains(*id)).cloned());
        }
    }

    /// Remembers an answer, which must be without errors.
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

    /// The IDs that this walk has met and the other hasn't.
    pub(crate) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a String, &'a String)> {
        self.ids.iter().filter(|(id, _)| !other.ids.contains_key(*id))
    }

    /// The types of the objects that both have met.
    pub(crate) fn shared_types(&self, other: &Self) -> BTreeSet<&str> {
        self.ids.iter().filter(|(id, _)| other.ids.contains_key(*id)).map(|(_, type_name)| type_name.as_str()).collect()
    }
}

/// A field with its arguments: whole pages, and what [`KNOWN_ARGUMENTS`] gives. `None` for a field that
/// needs an ID, which is read from the object that has it.
fn call(field: &Value) -> Option<String> {
    let mut arguments = Vec::new();
    for argument in field.list("/args") {
        let (name, wants) = (argument.text("/name"), named(argument.at("/type")));
        if name == "first" {
            arguments.push("first: 100".to_owned());
        } else if is_required(argument) {
            if wants == "ID" {
                return None;
            }
            let known = KNOWN_ARGUMENTS.iter().find(|(known, _)| *known == name);
            let (_, value) =
                known.unwrap_or_else(|| panic!("the walk has nothing for {}({name}): teach it", field.text("/name")));
            arguments.push(format!("{name}: {value}"));
        }
    }
    let name = field.text("/name");
    Some(if arguments.is_empty() { name } else { format!("{name}({})", arguments.join(", ")) })
}

/// A selection that asks for all of a type: its leaves, its other objects down to `depth`, and of what
/// can be read again by its ID the ID alone.
pub(crate) fn selection(schema: &Schema, type_name: &str, depth: usize) -> String {
    let mut parts = vec!["__typename".to_owned()];
    for field in schema.fields(type_name) {
        let Some(call) = call(field) else { continue };
        let of = named(field.at("/type"));
        match schema.kind(&of).as_str() {
            "SCALAR" | "ENUM" => parts.push(call),
            // An interface with an ID is one of objects that can be read again.
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

/// How many objects a payload's selection goes through, one by one, before it stops at their IDs.
const HOPS: usize = 3;

/// A selection of a mutation's payload. What it shows may be on its way out of the world, so that it can't be read
/// again by its ID: it goes on from object to object, as far as each names one other.
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
