//! A mutation that returns a secret must be the last one of its operation. An error in a later mutation would null the
//! whole answer, and the secret couldn't be read again.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;

use super::objection::Objection;
use super::{Facts, merge};

/// The number of mutations in an operation, and whether one of them returns a secret. Fails when a mutation that
/// returns a secret isn't the last one, or when two mutations have the same response name.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &Operation,
    facts: &Facts,
) -> Result<(usize, bool), Vec<Objection>> {
    let fields = merge::mutations(document, operation)?;
    let before_the_last = fields.len().saturating_sub(1);
    match fields.iter().take(before_the_last).find(|field| (facts.tells_a_secret)(&field.name)) {
        None => Ok((fields.len(), fields.last().is_some_and(|field| (facts.tells_a_secret)(&field.name)))),
        Some(field) => Err(vec![Objection::validation(format!(
            "{} answers a secret only once, and an error of a later mutation would lose it; make it the last mutation of its operation, or send it alone.",
            field.name
        ))]),
    }
}
