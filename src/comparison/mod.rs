//! Compares two schemas, and grades each change by what it can do to a client that was written for the old one. The
//! grades, kinds and paths are those of graphql-inspector, so that the same change is called the same elsewhere.

mod changes;
mod directives;
mod fields;
mod inputs;
mod types;
mod values;

use apollo_compiler::Schema;
use apollo_compiler::validation::Valid;

pub use changes::{Change, ChangeKind, Criticality};

/// The file name that the parser demands and puts into its messages.
const FILE: &str = "schema";

/// A text that isn't a schema, with the parser's explanation.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotASchema(String);

/// A schema that can be compared.
pub struct Comparable(Valid<Schema>);

impl Comparable {
    /// Reads the SDL of a whole schema.
    pub fn read(sdl: &str) -> Result<Self, NotASchema> {
        let read = Schema::parse_and_validate(sdl, FILE).map_err(|invalid| NotASchema(invalid.errors.to_string()))?;
        Ok(Self(read))
    }
}

/// The changes from the old schema to the new one: first directives, then the schema itself, then types. In each group
/// removals come first, then additions, each in the order of its schema.
#[must_use]
pub fn compare(old: &Comparable, new: &Comparable) -> Vec<Change> {
    let mut comparison = Comparison { old: &old.0, new: &new.0, changes: Vec::new() };
    comparison.directive_definitions();
    comparison.roots();
    comparison.types();
    comparison.schema_directives();
    comparison.changes
}

/// A comparison in progress.
struct Comparison<'a> {
    old: &'a Schema,
    new: &'a Schema,
    changes: Vec<Change>,
}

impl Comparison<'_> {
    fn add(&mut self, kind: ChangeKind, criticality: Criticality, path: impl Into<String>, message: impl Into<String>) {
        self.changes.push(Change { kind, criticality, path: Some(path.into()), message: message.into() });
    }

    fn harmless(&mut self, kind: ChangeKind, path: impl Into<String>, message: impl Into<String>) {
        self.add(kind, Criticality::NonBreaking, path, message);
    }
}

/// The items of two lists, by name.
struct Paired<'a, T: ?Sized> {
    removed: Vec<(&'a str, &'a T)>,
    added: Vec<(&'a str, &'a T)>,
    kept: Vec<(&'a str, &'a T, &'a T)>,
}

/// Pairs the items of two lists by their names.
fn paired<'a, T: ?Sized>(
    old: impl Iterator<Item = (&'a str, &'a T)> + Clone,
    new: impl Iterator<Item = (&'a str, &'a T)> + Clone,
) -> Paired<'a, T> {
    let named = |list: &mut dyn Iterator<Item = (&'a str, &'a T)>| -> std::collections::HashMap<&'a str, &'a T> {
        list.collect()
    };
    let (before, now) = (named(&mut old.clone()), named(&mut new.clone()));
    let (mut removed, mut kept) = (Vec::new(), Vec::new());
    for (name, item) in old {
        match now.get(name) {
            Some(still) => kept.push((name, item, *still)),
            None => removed.push((name, item)),
        }
    }
    let added = new.filter(|(name, _)| !before.contains_key(name)).collect();
    Paired { removed, added, kept }
}

/// A description, where an empty one is none.
fn text(description: Option<&apollo_compiler::Node<str>>) -> Option<&str> {
    description.map(|text| &**text).filter(|text: &&str| !text.is_empty())
}
