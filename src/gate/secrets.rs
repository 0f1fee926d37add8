//! Mutations that tell a secret: an error of a later mutation of the same operation would null the whole answer, and
//! nobody could read the secret again. So such a mutation is the last one of its operation.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;

use super::Facts;
use super::objection::Objection;

/// How many mutations an operation has. What is written twice under one name counts twice: it is executed twice.
///
/// # Errors
/// When one that tells a secret is not the last.
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
