//! Measures the size of a valid document. Each fragment is measured once, so that fragments that spread each other many
//! times are cheap to refuse.

use std::collections::HashMap;

use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::{ExecutableDocument, Name};

use super::limits::Limits;
use super::objection::Objection;

/// The size of a selection, with all its fragments expanded.
#[derive(Clone, Copy, Default)]
struct Measure {
    /// The fields and fragments at any depth.
    selections: u64,
    /// The fields directly in this selection, without `__typename`.
    own: u64,
    /// How deep fields are nested.
    depth: u64,
    /// The aliases directly in this selection.
    aliases: u64,
    /// The most aliases in any nested selection.
    aliases_below: u64,
}

impl Measure {
    /// The sum of this selection and the contents of a fragment in it.
    fn with(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            own: self.own.saturating_add(other.own),
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            aliases_below: self.aliases_below.max(other.aliases_below),
        }
    }

    fn most_aliases(self) -> u64 {
        self.aliases.max(self.aliases_below)
    }
}

struct Measuring<'a> {
    document: &'a ExecutableDocument,
    fragments: HashMap<&'a Name, Measure>,
}

impl<'a> Measuring<'a> {
    fn selection(&mut self, set: &'a SelectionSet) -> Measure {
        set.selections.iter().fold(Measure::default(), |sum, selection| {
            let selected = match selection {
                Selection::Field(field) => {
                    let below = field.selection_set.as_ref().map_or_else(Measure::default, |set| self.selection(set));
                    Measure {
                        selections: below.selections,
                        own: u64::from(field.name != "__typename"),
                        depth: below.depth + 1,
                        aliases: u64::from(field.alias.is_some()),
                        aliases_below: below.most_aliases(),
                    }
                }
                Selection::InlineFragment(inline) => self.selection(&inline.selection_set),
                Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name),
            };
            sum.with(Measure { selections: selected.selections.saturating_add(1), ..selected })
        })
    }

    /// Measures a fragment. A valid document has no fragment that spreads itself.
    fn fragment(&mut self, name: &'a Name) -> Measure {
        if let Some(measured) = self.fragments.get(name) {
            return *measured;
        }
        let document = self.document;
        let measure =
            document.fragments.get(name).map_or_else(Measure::default, |it| self.selection(&it.selection_set));
        self.fragments.insert(name, measure);
        measure
    }
}

/// Checks each operation of a valid document against the limits.
pub(super) fn check(document: &ExecutableDocument, limits: &Limits) -> Result<(), Vec<Objection>> {
    let mut measuring = Measuring { document, fragments: HashMap::new() };
    for operation in document.operations.iter() {
        let measure = measuring.selection(&operation.selection_set);
        if let Some(objection) = objection(operation, measure, limits) {
            return Err(vec![objection]);
        }
    }
    Ok(())
}

fn objection(operation: &Operation, measure: Measure, limits: &Limits) -> Option<Objection> {
    let bounds = [
        (measure.selections, limits.selections, "selections, with its fragments spread out", "ask for less at once"),
        (measure.depth, limits.depth, "fields within each other", "ask for less at once"),
        (measure.most_aliases(), limits.aliases, "aliases in one selection", "send more than one request"),
        (
            if operation.is_mutation() { measure.own } else { 0 },
            limits.root_mutations,
            "mutations",
            "send more than one request",
        ),
    ];
    let (used, limit, what, instead) = bounds.into_iter().find(|(used, limit, ..)| used > limit)?;
    let message = format!("The operation has {used} {what}, and may have {limit}; {instead}.");
    Some(Objection::validation(message).bounded(limit, used))
}
