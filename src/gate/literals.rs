//! Checks values in a document where the validator doesn't: values of custom scalars, for which it accepts anything,
//! and duplicate fields of an input object.

use std::collections::HashSet;

use apollo_compiler::ast::{Argument, DirectiveList, InputValueDefinition, Type, Value as Literal};
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Node, Schema};
use serde_json::Value;

use super::Facts;
use super::limits::ERRORS_MAX;
use super::objection::{Locator, Objection};

struct Checking<'a> {
    schema: &'a Schema,
    facts: &'a Facts,
    objections: Vec<(String, Option<usize>)>,
}

/// Checks the values of a valid document.
pub(super) fn check(document: &ExecutableDocument, schema: &Schema, facts: &Facts) -> Result<(), Vec<Objection>> {
    let mut checking = Checking { schema, facts, objections: Vec::new() };
    for operation in document.operations.iter() {
        checking.directives(&operation.directives);
        for variable in &operation.variables {
            checking.directives(&variable.directives);
            if let Some(default) = &variable.default_value {
                checking.value(&variable.ty, default);
            }
        }
        checking.selection(&operation.selection_set);
    }
    for fragment in document.fragments.values() {
        checking.directives(&fragment.directives);
        checking.selection(&fragment.selection_set);
    }
    if checking.objections.is_empty() {
        return Ok(());
    }
    let text = document.sources.values().next().map_or("", |source| source.source_text());
    let mut seen = HashSet::new();
    let objections = checking.objections.into_iter().filter(|(_, at)| seen.insert(*at)).take(ERRORS_MAX);
    let mut locator = Locator::of(text);
    Err(objections.map(|(message, at)| Objection::validation(message).at(at.map(|at| locator.locate(at)))).collect())
}

impl Checking<'_> {
    fn object(&mut self, message: String, value: &Node<Literal>) {
        self.objections.push((message, value.location().map(|span| span.offset())));
    }

    fn selection(&mut self, set: &SelectionSet) {
        for selection in &set.selections {
            self.directives(selection.directives());
            match selection {
                Selection::Field(field) => {
                    self.arguments(&field.definition.arguments, &field.arguments);
                    if let Some(set) = &field.selection_set {
                        self.selection(set);
                    }
                }
                Selection::InlineFragment(inline) => self.selection(&inline.selection_set),
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn directives(&mut self, directives: &DirectiveList) {
        for directive in directives.iter() {
            if let Some(definition) = self.schema.directive_definitions.get(&directive.name) {
                self.arguments(&definition.arguments, &directive.arguments);
            }
        }
    }

    fn arguments(&mut self, definitions: &[Node<InputValueDefinition>], arguments: &[Node<Argument>]) {
        for argument in arguments {
            if let Some(definition) = definitions.iter().find(|definition| definition.name == argument.name) {
                self.value(&definition.ty, &argument.value);
            }
        }
    }

    fn value(&mut self, ty: &Type, value: &Node<Literal>) {
        if let Literal::Object(entries) = &**value {
            let mut keys = HashSet::new();
            if let Some((key, _)) = entries.iter().find(|(key, _)| !keys.insert(key)) {
                self.object(format!("the field `{key}` is given more than once"), value);
            }
        }
        match (ty, &**value) {
            (_, Literal::Null | Literal::Variable(_)) => {}
            (Type::List(item) | Type::NonNullList(item), Literal::List(items)) => {
                items.iter().for_each(|value| self.value(item, value));
            }
            // A list type accepts a single item.
            (Type::List(item) | Type::NonNullList(item), _) => self.value(item, value),
            (Type::Named(name) | Type::NonNullNamed(name), literal) => match self.schema.types.get(name) {
                Some(ExtendedType::InputObject(input)) => {
                    let Literal::Object(entries) = literal else { return };
                    for (key, value) in entries {
                        if let Some(field) = input.fields.get(key) {
                            self.value(&field.ty, value);
                        }
                    }
                }
                Some(ExtendedType::Scalar(scalar)) if !scalar.is_built_in() => {
                    let fit = json(literal).map(|value| (self.facts.check_scalar)(name, &value));
                    let expected = match fit {
                        Some(Ok(())) => return,
                        Some(Err(expected)) => format!(": {expected}"),
                        None => String::new(),
                    };
                    self.object(format!("the value is no `{name}`{expected}"), value);
                }
                _ => {}
            },
        }
    }
}

/// The integer literal `-0`.
pub(super) const MINUS_ZERO: &str = "-0";

/// A constant as JSON; `None` when it contains a variable or an enum value, which no scalar accepts.
pub(super) fn json(literal: &Literal) -> Option<Value> {
    match literal {
        Literal::Null => Some(Value::Null),
        Literal::Boolean(value) => Some(Value::Bool(*value)),
        Literal::String(text) => Some(Value::String(text.clone())),
        // JSON has no integer of this form.
        Literal::Int(number) if number.as_str() == MINUS_ZERO => Some(0.into()),
        Literal::Int(number) => serde_json::from_str(number.as_str()).ok(),
        Literal::Float(number) => serde_json::from_str(number.as_str()).ok(),
        Literal::List(items) => items.iter().map(|item| json(item)).collect::<Option<Vec<_>>>().map(Value::Array),
        Literal::Object(entries) => {
            let entry =
                |(key, value): &(apollo_compiler::Name, Node<Literal>)| Some((key.as_str().to_owned(), json(value)?));
            entries.iter().map(entry).collect::<Option<_>>().map(Value::Object)
        }
        Literal::Enum(_) | Literal::Variable(_) => None,
    }
}
