//! What is asked of a document before the framework sees it: what would make it run without end, or out
//! of stack. The gate that validates documents (`docs/adr/0006-gate-later.md`) will stand here.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// How deep brackets of any kind may be nested.
const NESTING_MAX: usize = 200;
/// How many fragments a document may define.
const FRAGMENTS_MAX: usize = 500;
/// How many selections a document may hold, each fragment counted wherever it is spread.
const SELECTIONS_MAX: usize = 5_000;

/// Checks a text before it is parsed: the parser descends into values without a limit of its own.
///
/// # Errors
/// A sentence that names the limit.
pub(super) fn check_nesting(text: &str) -> Result<(), String> {
    let (mut depth, mut rest) = (0_usize, text.as_bytes());
    while let Some((byte, tail)) = rest.split_first() {
        rest = match byte {
            b'#' => after(tail, |tail| tail.first().is_some_and(|b| matches!(b, b'\n' | b'\r')), 1),
            b'"' if tail.starts_with(b"\"\"") => after_block_string(&tail[2..]),
            b'"' => after_string(tail),
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > NESTING_MAX {
                    return Err(format!(
                        "The document is nested deeper than {NESTING_MAX} brackets; ask for less at once."
                    ));
                }
                tail
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                tail
            }
            _ => tail,
        };
    }
    Ok(())
}

/// What follows the first place at which `found` says yes, and `width` bytes more.
fn after(mut text: &[u8], found: impl Fn(&[u8]) -> bool, width: usize) -> &[u8] {
    while !text.is_empty() && !found(text) {
        text = &text[1..];
    }
    text.get(width..).unwrap_or_default()
}

fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some((byte, tail)) = text.split_first() {
        match byte {
            b'\\' => text = tail.get(1..).unwrap_or_default(),
            b'"' | b'\n' | b'\r' => return tail,
            _ => text = tail,
        }
    }
    text
}

fn after_block_string(mut text: &[u8]) -> &[u8] {
    while !text.is_empty() {
        if text.starts_with(b"\\\"\"\"") {
            text = &text[4..];
        } else if text.starts_with(b"\"\"\"") {
            return &text[3..];
        } else {
            text = &text[1..];
        }
    }
    text
}

/// Checks how large a parsed document is when its fragments are spread out: computed once a fragment, so
/// that fragments that spread each other twice cost nothing to refuse.
///
/// # Errors
/// A sentence that names the limit.
pub(super) fn check_size(document: &ExecutableDocument) -> Result<(), String> {
    if document.fragments.len() > FRAGMENTS_MAX {
        return Err(format!("The document defines more than {FRAGMENTS_MAX} fragments; ask for less at once."));
    }
    let mut sizes = HashMap::new();
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let total = operations.fold(0_usize, |sum, set| sum.saturating_add(size(document, set, &mut sizes)));
    if total > SELECTIONS_MAX {
        return Err(format!(
            "The document selects more than {SELECTIONS_MAX} fields when its fragments are spread out; ask for less at once."
        ));
    }
    Ok(())
}

fn size<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, sizes: &mut HashMap<&'a Name, usize>) -> usize {
    set.items.iter().fold(0, |sum, item| {
        let of_item = match &item.node {
            Selection::Field(field) => 1_usize.saturating_add(size(document, &field.node.selection_set.node, sizes)),
            Selection::InlineFragment(inline) => size(document, &inline.node.selection_set.node, sizes),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                match (sizes.get(name), document.fragments.get(name)) {
                    (Some(known), _) => *known,
                    (None, Some(fragment)) => {
                        // A fragment that spreads itself is refused by validation: here it counts once.
                        sizes.insert(name, 1);
                        let of_fragment = size(document, &fragment.node.selection_set.node, sizes);
                        sizes.insert(name, of_fragment);
                        of_fragment
                    }
                    (None, None) => 1,
                }
            }
        };
        sum.saturating_add(of_item)
    })
}
