//! Directives at one location: how many may stand there, and how much is said of wrong ones. A short document
//! could otherwise ask for as many errors as it has room for `@x`.

use std::ops::Range;

use apollo_compiler::ast::{Definition, DirectiveList, Document, Selection};

use super::limits::DIRECTIVES_MAX;
use super::objection::{Objection, Places};

/// The spans of the directives of a document, one for each location that has some.
pub(super) struct Locations(Vec<Range<usize>>);

/// Finds the locations with directives.
///
/// # Errors
/// One objection when more directives stand at a location than may.
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
        "{count} directives stand at one location, and {DIRECTIVES_MAX} at most may; leave out those that change nothing."
    );
    let location = at.map(|offset| Places::of(text).locate(offset));
    Err(vec![Objection::validation(message).at(location).bounded(DIRECTIVES_MAX as u64, count as u64)])
}

struct Walk {
    spans: Vec<Range<usize>>,
    /// How many directives the first location with too many has, and where it is.
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
    /// Which location an error at `offset` belongs to, if it is about directives.
    pub(super) fn of(&self, offset: usize) -> Option<usize> {
        self.0.iter().position(|span| span.contains(&offset))
    }
}
