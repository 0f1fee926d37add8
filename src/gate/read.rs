//! Parses and validates documents.

use std::collections::HashSet;

use apollo_compiler::ast::{self, Definition, Selection};
use apollo_compiler::diagnostic::{Diagnostic, ToCliReport as _};
use apollo_compiler::parser::Parser;
use apollo_compiler::validation::{DiagnosticData, DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Schema};
use apollo_parser::{Lexer, TokenKind};

use super::limits::{ERRORS_MAX, Limits};
use super::objection::{Locator, Objection};
use super::{directives, merge, parser_messages, root};

/// The file name that the parser demands. It isn't shown anywhere.
const FILE: &str = "document";

/// Reads the schema. The validator's built-in introspection types are newer than the framework's, so the fields that
/// the framework doesn't know are removed.
pub(super) fn schema(sdl: &str) -> Result<Valid<Schema>, String> {
    let mut schema = Schema::parse(sdl, "schema").map_err(|error| error.to_string())?;
    let mut object = |name: &str, edit: fn(&mut apollo_compiler::schema::ObjectType)| {
        if let Some(apollo_compiler::schema::ExtendedType::Object(object)) = schema.types.get_mut(name) {
            edit(object.make_mut());
        }
    };
    object("__Directive", |directive| {
        directive.fields.shift_remove("isDeprecated");
        directive.fields.shift_remove("deprecationReason");
    });
    object("__Schema", |schema| {
        if let Some(directives) = schema.fields.get_mut("directives") {
            directives.make_mut().arguments.clear();
        }
    });
    schema.validate().map_err(|error| error.to_string())
}

/// A valid document.
pub(super) struct Read {
    pub(super) document: ExecutableDocument,
    /// Whether parts of the document are at other positions than in the client's text.
    pub(super) is_moved: bool,
}

/// Parses a document, checks it against the limits, and validates it. Fails with all reasons why it can't be executed.
pub(super) fn document(text: &str, schema: &Valid<Schema>, limits: &Limits) -> Result<Read, Vec<Objection>> {
    check_length(text, limits)?;
    check_tokens(text, limits)?;
    let mut ast = parse(text, limits)?;
    check_empty(&ast, text)?;
    let locations = directives::locations(&ast, text)?;
    let subscription = schema.schema_definition.subscription.as_ref();
    let plain = subscription.and_then(|root| root::plain(&ast, root.as_str()));
    let mut is_moved = plain.is_some();
    if let Some(plain) = plain {
        ast = plain;
    }
    let mutation = schema.schema_definition.mutation.as_ref();
    if let Some(once) = mutation.and_then(|root| merge::once(&ast, root.as_str())) {
        (ast, is_moved) = (once, true);
    }
    match ast.to_executable_validate(schema) {
        Ok(valid) => {
            check_null_defaults(&ast, schema, text)?;
            Ok(Read { document: valid.into_inner(), is_moved })
        }
        Err(failed) => Err(invalid(&failed.errors, text, Some(&locations))),
    }
}

fn check_length(text: &str, limits: &Limits) -> Result<(), Vec<Objection>> {
    let (limit, length) = (limits.document_bytes, text.len());
    if length <= limit {
        return Ok(());
    }
    let message = format!("The document has {length} bytes, and {limit} at most are read.");
    Err(vec![Objection::parse(message).bounded(limit as u64, length as u64)])
}

/// Counts tokens as the specification does: without whitespace, comments and commas.
fn check_tokens(text: &str, limits: &Limits) -> Result<(), Vec<Objection>> {
    let ignored = |kind| matches!(kind, TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma | TokenKind::Eof);
    // Invalid tokens are left to the parser's errors.
    let count = Lexer::new(text).filter(|token| token.as_ref().is_ok_and(|token| !ignored(token.kind()))).count();
    if count <= limits.tokens {
        return Ok(());
    }
    let limit = limits.tokens;
    let message = format!("The document has {count} tokens, and {limit} at most are read; ask for less at once.");
    Err(vec![Objection::parse(message).bounded(limit as u64, count as u64)])
}

fn parse(text: &str, limits: &Limits) -> Result<ast::Document, Vec<Objection>> {
    let mut parser = Parser::new().recursion_limit(limits.nesting).token_limit(usize::MAX);
    let parsed = parser.parse_ast(text, FILE);
    if parser.recursion_reached() > limits.nesting {
        let (limit, reached) = (limits.nesting, parser.recursion_reached());
        let message = format!("The document is nested deeper than {limit} levels; ask for less at once.");
        return Err(vec![Objection::parse(message).bounded(limit as u64, reached as u64)]);
    }
    parsed.map_err(|failed| unreadable(&failed.errors, text))
}

/// Refuses empty selections. The parser accepts them, because a later edition of the specification does.
fn check_empty(document: &ast::Document, text: &str) -> Result<(), Vec<Objection>> {
    let empty = document.definitions.iter().find_map(|definition| match definition {
        Definition::OperationDefinition(it) => empty_selection(&it.selection_set, definition.location()),
        Definition::FragmentDefinition(it) => empty_selection(&it.selection_set, definition.location()),
        _ => None,
    });
    match empty {
        None => Ok(()),
        Some(at) => {
            let location = at.map(|span| Locator::of(text).locate(span.offset()));
            Err(vec![Objection::parse("syntax error: a selection must not be empty").at(location)])
        }
    }
}

type Span = Option<apollo_compiler::parser::SourceSpan>;

/// The position of an empty selection, if there is one. `Some(None)` when its position is unknown.
fn empty_selection(selections: &[Selection], owner: Span) -> Option<Span> {
    if selections.is_empty() {
        return Some(owner);
    }
    selections.iter().find_map(|selection| match selection {
        Selection::Field(field) => empty_selection(field.selection_set.as_deref()?, field.location()),
        Selection::InlineFragment(inline) => empty_selection(&inline.selection_set, inline.location()),
        Selection::FragmentSpread(_) => None,
    })
}

/// Refuses variables with a default of null where null isn't allowed. The validator accepts them, so this validates the
/// document once more without these defaults.
fn check_null_defaults(document: &ast::Document, schema: &Valid<Schema>, text: &str) -> Result<(), Vec<Objection>> {
    let has_null = |operation: &ast::OperationDefinition| {
        operation.variables.iter().any(|variable| variable.default_value.as_ref().is_some_and(|value| value.is_null()))
    };
    let mut without = None;
    for (index, definition) in document.definitions.iter().enumerate() {
        if let Definition::OperationDefinition(operation) = definition
            && has_null(operation)
        {
            let document = without.get_or_insert_with(|| document.clone());
            if let Definition::OperationDefinition(operation) = &mut document.definitions[index] {
                for variable in &mut operation.make_mut().variables {
                    if variable.default_value.as_ref().is_some_and(|value| value.is_null()) {
                        variable.make_mut().default_value = None;
                    }
                }
            }
        }
    }
    let Some(without) = without else { return Ok(()) };
    match without.to_executable_validate(schema) {
        Ok(_) => Ok(()),
        Err(failed) => Err(invalid(&failed.errors, text, None)),
    }
}

/// The parser's errors as objections.
fn unreadable(errors: &DiagnosticList, text: &str) -> Vec<Objection> {
    let mut locator = Locator::of(text);
    let objection = |error: Diagnostic<'_, DiagnosticData>| {
        let offset = error.error.location().map_or(text.len(), |span| span.offset());
        let message = error.error.to_string();
        let message =
            parser_messages::syntax_error(message.strip_prefix("syntax error: ").unwrap_or(&message), text, offset);
        Objection::parse(message).at(Some(locator.locate(offset)))
    };
    errors.iter().take(ERRORS_MAX).map(objection).collect()
}

/// The validator's errors as objections; only the first one about the directives at each location.
fn invalid(errors: &DiagnosticList, text: &str, locations: Option<&directives::Locations>) -> Vec<Objection> {
    let mut locator = Locator::of(text);
    let mut reported = HashSet::new();
    let is_new = |error: &Diagnostic<'_, DiagnosticData>| {
        let offset = error.error.location().map(|span| span.offset());
        let directives = offset.zip(locations).and_then(|(offset, locations)| locations.of(offset));
        directives.is_none_or(|location| reported.insert(location))
    };
    let objection = |error: Diagnostic<'_, DiagnosticData>| {
        let location = error.error.location().map(|span| locator.locate(span.offset()));
        Objection::validation(parser_messages::validation_error(error.error.to_string())).at(location)
    };
    errors.iter().filter(is_new).take(ERRORS_MAX).map(objection).collect()
}
