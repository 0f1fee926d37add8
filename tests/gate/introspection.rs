//! The schema as introspection shows it. Tests walk it instead of a handwritten list of fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{At, TestApp};

const QUERY: &str = "{ __schema { queryType { name } mutationType { name } subscriptionType { name } types { name kind
    fields(includeDeprecated: true) { name type { ...T } args { name defaultValue type { ...T } } }
    inputFields { name defaultValue type { ...T } }
    interfaces { name } possibleTypes { name } enumValues { name } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// The schema of the running server.
pub(crate) struct Schema {
    types: BTreeMap<String, Value>,
    /// The names of the three roots: Query, Mutation, Subscription.
    pub(crate) roots: [String; 3],
}

/// The named type inside list and non-null wrappers.
pub(crate) fn named(reference: &Value) -> String {
    match reference.pointer("/ofType") {
        Some(inner) if !inner.is_null() => named(inner),
        _ => reference.text("/name"),
    }
}

/// Whether a type reference contains a list.
pub(crate) fn is_list(reference: &Value) -> bool {
    reference.text("/kind") == "LIST"
        || reference.pointer("/ofType").is_some_and(|inner| !inner.is_null() && is_list(inner))
}

/// Whether an argument or input field is required.
pub(crate) fn is_required(argument: &Value) -> bool {
    argument.text("/type/kind") == "NON_NULL" && argument.at("/defaultValue").is_null()
}

/// The path of an ID in an input. List elements have the index `0`: `["packages", "0", "componentId"]`.
pub(crate) type Path = Vec<String>;

impl Schema {
    /// Loads the schema from the server, without a token (R4).
    pub(crate) async fn of(app: &TestApp) -> Self {
        let answer = app.gql_raw(None, QUERY, json!(null)).await;
        let schema = answer.at("/data/__schema");
        let types = schema.list("/types").iter().map(|t| (t.text("/name"), t.clone())).collect();
        let roots = ["queryType", "mutationType", "subscriptionType"].map(|root| schema.text(&format!("/{root}/name")));
        Self { types, roots }
    }

    /// A type by its name.
    pub(crate) fn get(&self, name: &str) -> &Value {
        self.types.get(name).unwrap_or_else(|| panic!("the schema has no type {name}"))
    }

    /// The kind of a type, such as OBJECT, INTERFACE, ENUM.
    pub(crate) fn kind(&self, name: &str) -> String {
        self.get(name).text("/kind")
    }

    /// The fields of an object or interface.
    pub(crate) fn fields(&self, name: &str) -> &Vec<Value> {
        self.get(name).list("/fields")
    }

    /// The names of the fields of an object or interface.
    pub(crate) fn field_names(&self, name: &str) -> Vec<String> {
        self.fields(name).iter().map(|field| field.text("/name")).collect()
    }

    /// The fields of Query.
    pub(crate) fn queries(&self) -> &Vec<Value> {
        self.fields(&self.roots[0])
    }

    /// The fields of Mutation.
    pub(crate) fn mutations(&self) -> &Vec<Value> {
        self.fields(&self.roots[1])
    }

    /// The fields of Subscription.
    pub(crate) fn subscriptions(&self) -> &Vec<Value> {
        self.fields(&self.roots[2])
    }

    /// Whether a type has a field of that name.
    pub(crate) fn has_field(&self, name: &str, field: &str) -> bool {
        self.field_names(name).iter().any(|found| found == field)
    }

    /// Whether objects of this type can be read by their ID.
    pub(crate) fn is_node(&self, name: &str) -> bool {
        self.get(name).at("/interfaces").as_array().is_some_and(|all| all.iter().any(|i| i.text("/name") == "Node"))
    }

    /// An argument's type in the notation of GraphQL, such as `[ID!]!`.
    pub(crate) fn spelling(reference: &Value) -> String {
        match reference.text("/kind").as_str() {
            "NON_NULL" => format!("{}!", Self::spelling(reference.at("/ofType"))),
            "LIST" => format!("[{}]", Self::spelling(reference.at("/ofType"))),
            _ => reference.text("/name"),
        }
    }

    /// A value of the type of an argument or input field. Input objects get their required fields, and the optional
    /// fields that `is_included` chooses. `id` gives the ID for each path.
    pub(crate) fn sample(
        &self,
        reference: &Value,
        path: &Path,
        is_included: &dyn Fn(&Path) -> bool,
        id: &dyn Fn(&Path) -> Value,
    ) -> Value {
        if reference.text("/kind") == "NON_NULL" {
            return self.sample(reference.at("/ofType"), path, is_included, id);
        }
        if reference.text("/kind") == "LIST" {
            let element = [path.clone(), vec!["0".into()]].concat();
            return json!([self.sample(reference.at("/ofType"), &element, is_included, id)]);
        }
        let name = named(reference);
        match (self.kind(&name).as_str(), name.as_str()) {
            ("ENUM", _) => self.get(&name).at("/enumValues/0/name").clone(),
            ("INPUT_OBJECT", _) => self.sample_object(&name, path, is_included, id),
            (_, "ID") => id(path),
            (_, "Int") => json!(1),
            (_, "Float") => json!(1.5),
            (_, "Boolean") => json!(true),
            (_, "String" | "Markdown") => json!(format!("Sample {}", path.join(" "))),
            (_, "Date") => json!("2027-01-31"),
            (_, "DateTime") => json!("2027-01-31T12:00:00Z"),
            (_, "TimeZone") => json!("Europe/Berlin"),
            (_, "URI") => json!("https://example.com/"),
            (kind, other) => panic!("this test doesn't know what to give for the {kind} {other}: teach it"),
        }
    }

    fn sample_object(
        &self,
        name: &str,
        path: &Path,
        is_included: &dyn Fn(&Path) -> bool,
        id: &dyn Fn(&Path) -> Value,
    ) -> Value {
        let mut object = Map::new();
        let fields = self.get(name).list("/inputFields");
        for field in fields {
            let below = [path.clone(), vec![field.text("/name")]].concat();
            if is_required(field) || is_included(&below) {
                object.insert(field.text("/name"), self.sample(field.at("/type"), &below, is_included, id));
            }
        }
        // All fields of a `@oneOf` object are optional, but it needs one.
        if object.is_empty() && path.last().is_some_and(|last| last == "schedule") {
            object.insert(fields[0].text("/name"), self.sample(fields[0].at("/type"), path, is_included, id));
        }
        Value::Object(object)
    }

    /// The paths of all IDs in a value of this type.
    pub(crate) fn id_paths(&self, reference: &Value, path: &Path) -> Vec<Path> {
        match reference.text("/kind").as_str() {
            "NON_NULL" => self.id_paths(reference.at("/ofType"), path),
            "LIST" => self.id_paths(reference.at("/ofType"), &[path.clone(), vec!["0".into()]].concat()),
            "SCALAR" if named(reference) == "ID" => vec![path.clone()],
            "INPUT_OBJECT" => {
                let fields = self.get(&named(reference)).list("/inputFields").iter();
                let below = |field: &Value| [path.clone(), vec![field.text("/name")]].concat();
                fields.flat_map(|field| self.id_paths(field.at("/type"), &below(field))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The smallest selection that makes an operation on this type valid.
    pub(crate) fn shallow(&self, type_name: &str) -> String {
        if matches!(self.kind(type_name).as_str(), "SCALAR" | "ENUM") { String::new() } else { "{ __typename }".into() }
    }

    /// An operation on one root field that passes its `given` arguments as variables: (document, variables).
    pub(crate) fn operation(
        &self,
        root: &str,
        field: &Value,
        given: &[(String, Value)],
        selection: &str,
    ) -> (String, Value) {
        let argument =
            |name: &str| field.list("/args").iter().find(|arg| arg.text("/name") == name).expect("an argument");
        let name = field.text("/name");
        let declared: Vec<_> =
            given.iter().map(|(name, _)| format!("${name}: {}", Self::spelling(argument(name).at("/type")))).collect();
        let passed: Vec<_> = given.iter().map(|(name, _)| format!("{name}: ${name}")).collect();
        let wrap =
            |parts: Vec<String>| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
        let document = format!("{root}{} {{ {name}{} {selection} }}", wrap(declared), wrap(passed));
        let variables: Map<String, Value> = given.iter().cloned().collect();
        (document, Value::Object(variables))
    }
}
