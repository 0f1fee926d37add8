//! Limits the directives at one location, and the errors about them. Otherwise a short document with many `@x` could
//! cause as many errors.

use std::ops::Range;

use apollo_compiler::ast::{Definition, DirectiveList, Document, Selection};

use super::limits::DIRECTIVES_MAX;
use super::objection::{Locator, Objection};

/// The spans of a document's directives, one span for each location that has directives.
pub(super) struct Locations(Vec<Range<usize>>);

/// Finds the locations with directives. Fails when a location has too many.
pub(super) fn locations(document: &Document, text: &str) -> Result<Locations, Vec<Objection>> {
    let mut walk = Walk { spans: Vec::new(), excess: None };
    for definition in &document.definitions {
        match definition {
            Definition::OperationDefinition(it) => {
                walk.location(&it.directives);
                it.variables.iter().for_each(|variable| walk.location(&variable.directives));
                walk.selections(&it.selection_set);
            }
            Definition::FragmentDefinition(it) => {
                walk.location(&it.directives);
                walk.selections(&it.selection_set);
            }
            _ => {}
        }
    }
    let Some((count, at)) = walk.excess else { return Ok(Locations(walk.spans)) };
    let message = format!(
        "There are {count} directives at one location, and at most {DIRECTIVES_MAX} are allowed; leave out those that change nothing."
    );
    let location = at.map(|offset| Locator::of(text).locate(offset));
    Err(vec![Objection::validation(message).at(location).bounded(DIRECTIVES_MAX as u64, count as u64)])
}

struct Walk {
    spans: Vec<Range<usize>>,
    /// The number of directives at the first location with too many, and its offset.
    excess: Option<(usize, Option<usize>)>,
}

impl Walk {
    fn location(&mut self, directives: &DirectiveList) {
        let spans = || directives.iter().filter_map(|directive| directive.location());
        if directives.len() > DIRECTIVES_MAX {
            self.excess.get_or_insert((directives.len(), spans().next().map(|span| span.offset())));
        }
        let (start, end) = (spans().map(|span| span.offset()).min(), spans().map(|span| span.end_offset()).max());
        if let (Some(start), Some(end)) = (start, end) {
            self.spans.push(start..end);
        }
    }

    fn selections(&mut self, selections: &[Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(field) => {
                    self.location(&field.directives);
                    self.selections(field.selection_set.as_deref().unwrap_or_default());
                }
                Selection::InlineFragment(inline) => {
                    self.location(&inline.directives);
                    self.selections(&inline.selection_set);
                }
                Selection::FragmentSpread(spread) => self.location(&spread.directives),
            }
        }
    }
}

impl Locations {
    /// The index of the location to which an error at `offset` belongs, if it is about directives.
    pub(super) fn of(&self, offset: usize) -> Option<usize> {
        self.0.iter().position(|span| span.contains(&offset))
    }
}
