//! Merges repeated mutations. The GraphQL specification says that equal mutations with the same response name in one
//! operation are a single mutation with all of their selections. The framework would execute each of them.

use std::collections::HashSet;

use apollo_compiler::ast::{Argument, Definition, Document, Field, OperationType, Selection, Value};
use apollo_compiler::executable::{self, SelectionSet};
use apollo_compiler::{ExecutableDocument, Name, Node};

use super::objection::Objection;
use super::root::{fragment, remove_unused};

/// The document with repeated mutations merged; `None` if there is nothing to merge.
pub(super) fn once(document: &Document, root: &str) -> Option<Document> {
    let mut merged: Option<Document> = None;
    let mut spread = HashSet::new();
    for (index, definition) in document.definitions.iter().enumerate() {
        let Definition::OperationDefinition(operation) = definition else { continue };
        if operation.operation_type != OperationType::Mutation {
            continue;
        }
        let mut gathering =
            Gathering { document, root, selections: Vec::new(), spread: HashSet::new(), has_repeats: false };
        gathering.gather(&operation.selection_set);
        if !gathering.has_repeats {
            continue;
        }
        spread.extend(gathering.spread);
        let merged = merged.get_or_insert_with(|| document.clone());
        if let Definition::OperationDefinition(operation) = &mut merged.definitions[index] {
            operation.make_mut().selection_set = gathering.selections;
        }
    }
    let mut merged = merged?;
    remove_unused(&mut merged, spread);
    Some(merged)
}

/// The selections of a mutation's root, in their order. Selections under a condition aren't merged.
struct Gathering<'a> {
    document: &'a Document,
    root: &'a str,
    selections: Vec<Selection>,
    spread: HashSet<&'a Name>,
    has_repeats: bool,
}

impl<'a> Gathering<'a> {
    fn gather(&mut self, selections: &'a [Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(field) if field.directives.is_empty() && field.name != "__typename" => self.add(field),
                Selection::InlineFragment(inline)
                    if inline.directives.is_empty()
                        && inline.type_condition.as_ref().is_none_or(|condition| condition == self.root) =>
                {
                    self.gather(&inline.selection_set);
                }
                Selection::FragmentSpread(spread) if spread.directives.is_empty() => {
                    let fits = |fragment: &&apollo_compiler::ast::FragmentDefinition| {
                        fragment.type_condition == self.root && fragment.directives.is_empty()
                    };
                    match fragment(self.document, &spread.fragment_name).filter(fits) {
                        None => self.selections.push(selection.clone()),
                        Some(fragment) if self.spread.insert(&fragment.name) => self.gather(&fragment.selection_set),
                        // A repeated spread adds nothing.
                        Some(_) => self.has_repeats = true,
                    }
                }
                _ => self.selections.push(selection.clone()),
            }
        }
    }

    fn add(&mut self, field: &Node<Field>) {
        let first = self.selections.iter_mut().find_map(|selection| match selection {
            Selection::Field(first) if first.directives.is_empty() && is_same(first, field) => Some(first),
            _ => None,
        });
        match first {
            None => self.selections.push(Selection::Field(field.clone())),
            Some(first) => {
                if let (Some(set), Some(more)) = (&mut first.make_mut().selection_set, &field.selection_set) {
                    set.extend(more.iter().cloned());
                }
                self.has_repeats = true;
            }
        }
    }
}

fn is_same(first: &Field, other: &Field) -> bool {
    let key = |field: &Field| field.alias.clone().unwrap_or_else(|| field.name.clone());
    let has = |of: &Field, argument: &Argument| {
        of.arguments.iter().any(|own| own.name == argument.name && is_same_value(&own.value, &argument.value))
    };
    key(first) == key(other)
        && first.name == other.name
        && first.arguments.len() == other.arguments.len()
        && first.arguments.iter().all(|argument| has(other, argument))
}

/// Compares values. The order of an object's fields doesn't matter.
fn is_same_value(first: &Value, other: &Value) -> bool {
    match (first, other) {
        (Value::Object(first), Value::Object(other)) => {
            let has = |(name, value): &(Name, Node<Value>)| {
                other.iter().any(|(own, of)| own == name && is_same_value(value, of))
            };
            first.len() == other.len() && first.iter().all(has)
        }
        (Value::List(first), Value::List(other)) => {
            first.len() == other.len() && first.iter().zip(other).all(|(first, other)| is_same_value(first, other))
        }
        _ => first == other,
    }
}

/// The mutations of a valid operation, each as often as the framework would execute it. Fails when two still have the
/// same response name, because then it depends on conditions whether both are executed.
pub(super) fn mutations<'a>(
    document: &'a ExecutableDocument,
    operation: &'a executable::Operation,
) -> Result<Vec<&'a executable::Field>, Vec<Objection>> {
    let mut fields = Vec::new();
    if operation.is_mutation() {
        spread_out(document, &operation.selection_set, &mut fields);
    }
    let mut names = HashSet::new();
    match fields.iter().find(|field| !names.insert(field.response_name())) {
        None => Ok(fields),
        Some(field) => Err(vec![Objection::validation(format!(
            "The mutation {} occurs twice under the name {}, once under a condition: write it once, or give each an alias of its own.",
            field.name,
            field.response_name()
        ))]),
    }
}

fn spread_out<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, fields: &mut Vec<&'a executable::Field>) {
    for selection in &set.selections {
        match selection {
            executable::Selection::Field(field) if field.name == "__typename" => {}
            executable::Selection::Field(field) => fields.push(field),
            executable::Selection::InlineFragment(inline) => spread_out(document, &inline.selection_set, fields),
            executable::Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.fragment_name) {
                    spread_out(document, &fragment.selection_set, fields);
                }
            }
        }
    }
}
