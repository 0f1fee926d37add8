//! Writes a document so that graphql_client and cynic take it, with the same answer but for `__typename`:
//!
//! - `__typename` is selected wherever something is selected from an interface or a union, because graphql_client
//!   demands it. Apollo and urql do the same.
//! - A fragment on an interface becomes one for each type that implements it: `... on Pack` within a `Node` becomes
//!   `... on AvailablePack` and `... on IntegrationPack`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use graphql_parser::query::{
    Definition, Document, Field, InlineFragment, OperationDefinition, Selection, SelectionSet, TypeCondition, Value,
    parse_query,
};
use graphql_parser::schema::{self, TypeDefinition};

type Set = SelectionSet<'static, String>;

/// What has to be known of a schema's types.
#[derive(Default)]
struct Type {
    /// The types of the fields.
    fields: HashMap<String, String>,
    /// The objects that a value of an interface or a union can be; `None` for an object.
    objects: Option<BTreeSet<String>>,
}

type Types = HashMap<String, Type>;

/// A document as it is sent, and as graphql_client makes types of it.
pub struct Written {
    pub sent: String,
    /// Without defaults of variables that are objects: the code for these is wrong if there is an enum in them.
    pub typed: String,
}

pub fn written(document: &str, schema: &str) -> Result<Written, String> {
    let types = types(schema)?;
    let mut document: Document<'static, String> =
        parse_query::<String>(document).map_err(|error| error.to_string())?.into_static();
    for definition in &mut document.definitions {
        match definition {
            Definition::Operation(OperationDefinition::Query(query)) => {
                write(&mut query.selection_set, "Query", &types);
            }
            Definition::Operation(OperationDefinition::Mutation(mutation)) => {
                write(&mut mutation.selection_set, "Mutation", &types);
            }
            Definition::Operation(OperationDefinition::Subscription(subscription)) => {
                write(&mut subscription.selection_set, "Subscription", &types);
            }
            Definition::Operation(OperationDefinition::SelectionSet(set)) => write(set, "Query", &types),
            Definition::Fragment(fragment) => {
                let TypeCondition::On(on) = fragment.type_condition.clone();
                write(&mut fragment.selection_set, &on, &types);
            }
        }
    }
    let sent = document.to_string();
    for definition in &mut document.definitions {
        let variables = match definition {
            Definition::Operation(OperationDefinition::Query(query)) => &mut query.variable_definitions,
            Definition::Operation(OperationDefinition::Mutation(mutation)) => &mut mutation.variable_definitions,
            Definition::Operation(OperationDefinition::Subscription(subscription)) => {
                &mut subscription.variable_definitions
            }
            _ => continue,
        };
        for variable in variables {
            variable.default_value.take_if(|default| matches!(default, Value::Object(_)));
        }
    }
    Ok(Written { sent, typed: document.to_string() })
}

fn write(set: &mut Set, owner: &str, types: &Types) {
    let Some(of) = types.get(owner) else { return };
    if let Some(objects) = &of.objects {
        make_concrete(set, objects, types);
        if !set.items.iter().any(|item| matches!(item, Selection::Field(field) if field.name == "__typename")) {
            set.items.insert(0, typename(set));
        }
    }
    for selection in &mut set.items {
        match selection {
            Selection::Field(field) => {
                if let Some(ty) = of.fields.get(&field.name) {
                    write(&mut field.selection_set, ty, types);
                }
            }
            Selection::InlineFragment(fragment) => {
                let on = match &fragment.type_condition {
                    Some(TypeCondition::On(on)) => on.clone(),
                    None => owner.to_owned(),
                };
                write(&mut fragment.selection_set, &on, types);
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

/// Replaces the inline fragments of a selection by one for each object that they select from.
fn make_concrete(set: &mut Set, objects: &BTreeSet<String>, types: &Types) {
    let (mut others, mut selected) = (Vec::new(), BTreeMap::<String, Vec<_>>::new());
    for item in set.items.drain(..) {
        match &item {
            Selection::InlineFragment(InlineFragment {
                type_condition: Some(TypeCondition::On(on)),
                selection_set,
                ..
            }) => {
                let one = || BTreeSet::from([on.clone()]);
                let on = types.get(on).and_then(|ty| ty.objects.clone()).unwrap_or_else(one);
                for object in on.intersection(objects) {
                    selected.entry(object.clone()).or_default().extend(selection_set.items.iter().cloned());
                }
            }
            _ => others.push(item),
        }
    }
    let fragments = selected.into_iter().map(|(object, items)| {
        Selection::InlineFragment(InlineFragment {
            position: set.span.0,
            type_condition: Some(TypeCondition::On(object)),
            directives: Vec::new(),
            selection_set: SelectionSet { span: set.span, items },
        })
    });
    others.extend(fragments);
    set.items = others;
}

fn typename(set: &Set) -> Selection<'static, String> {
    Selection::Field(Field {
        position: set.span.0,
        alias: None,
        name: "__typename".into(),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: SelectionSet { span: set.span, items: Vec::new() },
    })
}

fn types(sdl: &str) -> Result<Types, String> {
    let document = schema::parse_schema::<String>(sdl).map_err(|error| error.to_string())?;
    let fields = |fields: &[schema::Field<'_, String>]| {
        fields.iter().map(|field| (field.name.clone(), named(&field.field_type).to_owned())).collect()
    };
    let mut types = Types::new();
    for definition in &document.definitions {
        let schema::Definition::TypeDefinition(definition) = definition else { continue };
        match definition {
            TypeDefinition::Object(object) => {
                types.entry(object.name.clone()).or_default().fields = fields(&object.fields);
                for interface in &object.implements_interfaces {
                    let objects = &mut types.entry(interface.clone()).or_default().objects;
                    objects.get_or_insert_default().insert(object.name.clone());
                }
            }
            TypeDefinition::Interface(interface) => {
                types.entry(interface.name.clone()).or_default().fields = fields(&interface.fields);
            }
            TypeDefinition::Union(union) => {
                let objects = union.types.iter().cloned().collect();
                types.entry(union.name.clone()).or_default().objects = Some(objects);
            }
            _ => {}
        }
    }
    Ok(types)
}

/// The name of a type without its lists and exclamation marks.
fn named<'a>(ty: &'a schema::Type<'_, String>) -> &'a str {
    match ty {
        schema::Type::NamedType(name) => name,
        schema::Type::ListType(inner) | schema::Type::NonNullType(inner) => named(inner),
    }
}
