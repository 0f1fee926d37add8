//! Simplifies the root selection of a subscription. It selects a single field, but may do so through fragments or
//! several times. The framework finds the field only directly in the root, and the validator accepts it only once. So
//! fragments are expanded and equal fields merged.

use std::collections::HashSet;

use apollo_compiler::ast::{Definition, Document, Field, FragmentDefinition, OperationType, Selection};
use apollo_compiler::{Name, Node};

/// The document with simplified subscription roots. `None` when there is nothing to simplify, or when it isn't
/// possible: the validator then reports the error.
pub(super) fn plain(document: &Document, root: &str) -> Option<Document> {
    let mut plain: Option<Document> = None;
    let mut spread = HashSet::new();
    for (index, definition) in document.definitions.iter().enumerate() {
        let Definition::OperationDefinition(operation) = definition else { continue };
        if operation.operation_type != OperationType::Subscription
            || matches!(operation.selection_set[..], [Selection::Field(_)])
        {
            continue;
        }
        let mut gathering = Gathering { document, root, fields: Vec::new(), spread: HashSet::new() };
        gathering.gather(&operation.selection_set)?;
        let field = merged(&gathering.fields)?;
        spread.extend(gathering.spread);
        let plain = plain.get_or_insert_with(|| document.clone());
        if let Definition::OperationDefinition(operation) = &mut plain.definitions[index] {
            operation.make_mut().selection_set = vec![Selection::Field(Node::new(field))];
        }
    }
    let mut plain = plain?;
    remove_unused(&mut plain, spread);
    Some(plain)
}

struct Gathering<'a> {
    document: &'a Document,
    root: &'a str,
    fields: Vec<&'a Node<Field>>,
    /// The expanded fragments.
    spread: HashSet<&'a Name>,
}

impl<'a> Gathering<'a> {
    /// Collects the root fields. `None` when a selection has directives or another type.
    fn gather(&mut self, selections: &'a [Selection]) -> Option<()> {
        for selection in selections {
            let directives = match selection {
                Selection::Field(field) => &field.directives,
                Selection::InlineFragment(inline) => &inline.directives,
                Selection::FragmentSpread(spread) => &spread.directives,
            };
            if !directives.is_empty() {
                return None;
            }
            match selection {
                Selection::Field(field) => self.fields.push(field),
                Selection::InlineFragment(inline) => {
                    let fits = inline.type_condition.as_ref().is_none_or(|condition| condition == self.root);
                    fits.then(|| self.gather(&inline.selection_set))??;
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = fragment(self.document, &spread.fragment_name)?;
                    let fits = fragment.type_condition == self.root && fragment.directives.is_empty();
                    // A second spread of the same fragment adds nothing.
                    if fits && self.spread.insert(&fragment.name) {
                        self.gather(&fragment.selection_set)?;
                    } else if !fits {
                        return None;
                    }
                }
            }
        }
        Some(())
    }
}

/// The definition of a fragment.
pub(super) fn fragment<'a>(document: &'a Document, name: &Name) -> Option<&'a FragmentDefinition> {
    document.definitions.iter().find_map(|definition| match definition {
        Definition::FragmentDefinition(fragment) if fragment.name == *name => Some(&**fragment),
        _ => None,
    })
}

/// Merges the fields into one. `None` unless all have the same name, alias and arguments.
fn merged(fields: &[&Node<Field>]) -> Option<Field> {
    let (first, others) = fields.split_first()?;
    let mut merged = Field::clone(first);
    for other in others {
        let key = |field: &Field| field.alias.clone().unwrap_or_else(|| field.name.clone());
        if key(other) != key(&merged) || other.name != merged.name || other.arguments != merged.arguments {
            return None;
        }
        merged.selection_set.as_mut()?.extend(other.selection_set.iter().flatten().cloned());
    }
    Some(merged)
}

/// Removes the expanded fragments that nothing else uses; the validator refuses unused ones.
pub(super) fn remove_unused(document: &mut Document, mut candidates: HashSet<&Name>) {
    loop {
        let mut used = HashSet::new();
        for definition in &document.definitions {
            match definition {
                Definition::OperationDefinition(it) => names(&it.selection_set, &mut used),
                Definition::FragmentDefinition(it) => names(&it.selection_set, &mut used),
                _ => {}
            }
        }
        let unused: HashSet<Name> =
            candidates.iter().filter(|name| !used.contains(**name)).map(|n| (*n).clone()).collect();
        if unused.is_empty() {
            return;
        }
        candidates.retain(|name| !unused.contains(*name));
        document.definitions.retain(
            |definition| !matches!(definition, Definition::FragmentDefinition(it) if unused.contains(&it.name)),
        );
    }
}

fn names(selections: &[Selection], used: &mut HashSet<Name>) {
    for selection in selections {
        match selection {
            Selection::Field(field) => names(field.selection_set.as_deref().unwrap_or_default(), used),
            Selection::InlineFragment(inline) => names(&inline.selection_set, used),
            Selection::FragmentSpread(spread) => {
                used.insert(spread.fragment_name.clone());
            }
        }
    }
}
