//! A mutation that returns a secret must be the last one of its operation. An error in a later mutation would null the
//! whole answer, and the secret couldn't be read again.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;

use super::Facts;
use super::objection::Objection;

/// The number of mutations in an operation. Duplicates count, because each is executed. Fails when a mutation that
/// returns a secret isn't the last one.
pub(super) fn check(
    document: &ExecutableDocument,
    operation: &Operation,
    facts: &Facts,
) -> Result<usize, Vec<Objection>> {
    if !operation.is_mutation() {
        return Ok(0);
    }
    let fields: Vec<_> = operation.root_fields(document).filter(|field| field.name != "__typename").collect();
    let before_the_last = fields.len().saturating_sub(1);
    match fields.iter().take(before_the_last).find(|field| (facts.tells_a_secret)(&field.name)) {
        None => Ok(fields.len()),
        Some(field) => Err(vec![Objection::validation(format!(
            "{} tells a secret once, and an error of a mutation after it would lose it; make it the last mutation of its operation, or send it alone.",
            field.name
        ))]),
    }
}
