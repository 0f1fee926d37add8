//! How much of the schema an operation may ask for. Introspection is free and open to everybody, and its
//! lists lead from types to types and back: a short text could ask for more than memory holds.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};

use super::objection::Objection;

/// How many lists that lead from a type to others may stand within each other. Tools need two.
const LISTS_MAX: u64 = 2;
/// About how many fields the schema's answer may have: twice what tools ask for when they read all of it.
const FIELDS_MAX: u64 = 750_000;

/// What a selection comes to.
#[derive(Clone, Copy, Default)]
struct Asked {
    /// About how many fields its answer has.
    fields: u64,
    /// How many lists that lead from types to types stand within each other.
    lists: u64,
}

struct Asking<'a> {
    document: &'a ExecutableDocument,
    /// How many types the schema has.
    types: u64,
}

/// Checks each operation of a valid document whose fragments don't spread out without bounds.
pub(super) fn check(document: &ExecutableDocument, types: usize) -> Result<(), Vec<Objection>> {
    let asking = Asking { document, types: types as u64 };
    match document.operations.iter().find_map(|operation| asking.objection(operation)) {
        Some(objection) => Err(vec![objection]),
        None => Ok(()),
    }
}

impl Asking<'_> {
    fn objection(&self, operation: &Operation) -> Option<Objection> {
        let asked = self.root(&operation.selection_set);
        let (asked, limit, what) = if asked.lists > LISTS_MAX {
            (asked.lists, LISTS_MAX, "lists of fields or types within each other")
        } else if asked.fields > FIELDS_MAX {
            (asked.fields, FIELDS_MAX, "fields, about")
        } else {
            return None;
        };
        let message =
            format!("The introspection asks for {asked} {what}, and may ask for {limit}; ask for less at once.");
        Some(Objection::validation(message).bounded(limit, asked))
    }

    /// Of `__schema` and `__type` alone, which stand at the root.
    fn root(&self, set: &SelectionSet) -> Asked {
        self.sum(set, |selection| match selection {
            Selection::Field(field) if field.name.starts_with("__") => {
                field.selection_set.as_ref().map_or_else(Asked::default, |set| self.below(set))
            }
            Selection::Field(_) => Asked::default(),
            Selection::InlineFragment(inline) => self.root(&inline.selection_set),
            Selection::FragmentSpread(spread) => {
                self.fragment(&spread.fragment_name).map_or_else(Asked::default, |set| self.root(set))
            }
        })
    }

    fn below(&self, set: &SelectionSet) -> Asked {
        self.sum(set, |selection| match selection {
            Selection::Field(field) => {
                let below = field.selection_set.as_ref().map_or_else(Asked::default, |set| self.below(set));
                let (size, leads_on) = self.list(&field.name);
                Asked {
                    fields: size.saturating_mul(below.fields).saturating_add(1),
                    lists: below.lists + u64::from(leads_on),
                }
            }
            Selection::InlineFragment(inline) => self.below(&inline.selection_set),
            Selection::FragmentSpread(spread) => {
                self.fragment(&spread.fragment_name).map_or_else(Asked::default, |set| self.below(set))
            }
        })
    }

    fn sum(&self, set: &SelectionSet, asked: impl Fn(&Selection) -> Asked) -> Asked {
        set.selections.iter().map(asked).fold(Asked::default(), |sum, one| Asked {
            fields: sum.fields.saturating_add(one.fields),
            lists: sum.lists.max(one.lists),
        })
    }

    fn fragment(&self, name: &str) -> Option<&SelectionSet> {
        self.document.fragments.get(name).map(|fragment| &fragment.selection_set)
    }

    /// About how long a list of the schema is, and whether it leads from a type to others.
    fn list(&self, name: &str) -> (u64, bool) {
        match name {
            "types" => (self.types, false),
            "fields" => (8, true),
            "inputFields" => (4, true),
            "interfaces" | "possibleTypes" => (2, true),
            "enumValues" | "directives" => (5, false),
            "args" => (2, false),
            _ => (1, false),
        }
    }
}
