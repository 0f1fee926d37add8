//! Coercion of variables: checks the values in a request against the types that the operation declares.

use apollo_compiler::ast::{Type, Value as Literal};
use apollo_compiler::executable::{Operation as Executable, VariableDefinition};
use apollo_compiler::schema::{EnumType, ExtendedType, InputObjectType};
use apollo_compiler::{Name, Node};
use serde_json::{Map, Number, Value};

use super::limits::ERRORS_MAX;
use super::objection::{Code, Location, Locator, Objection};
use super::{Gate, Operation, literals};

/// A variable as an operation defines it.
#[derive(Debug)]
pub(super) struct Variable {
    name: Name,
    ty: Type,
    default: Option<Value>,
    location: Option<Location>,
}

impl Variable {
    /// The approximate size in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        128 + self.name.as_str().len() + self.default.as_ref().map_or(0, bytes_of)
    }
}

/// The variables of a valid operation. `text` is the document. Fails when a default value isn't valid for one of this
/// schema's own scalars.
pub(super) fn variables(operation: &Executable, text: &str, gate: &Gate) -> Result<Vec<Variable>, Vec<Objection>> {
    let mut locator = Locator::of(text);
    operation.variables.iter().map(|definition| variable(definition, &mut locator, gate)).collect()
}

fn variable(
    definition: &Node<VariableDefinition>,
    locator: &mut Locator<'_>,
    gate: &Gate,
) -> Result<Variable, Vec<Objection>> {
    let mut variable = Variable {
        name: definition.name.clone(),
        ty: (*definition.ty).clone(),
        default: None,
        location: definition.location().map(|span| locator.locate(span.offset())),
    };
    if let Some(value) = definition.default_value.as_ref().and_then(|default| literal(default)) {
        let mut coercing = Coercing::new(gate, &variable);
        let value = coercing.value(&variable.ty, value);
        if let Some(first) = coercing.objections.into_iter().next() {
            return Err(vec![Objection { code: Code::ValidationFailed, ..first }]);
        }
        variable.default = Some(value);
    }
    Ok(variable)
}

/// A constant as a JSON value. Enum values become strings, as in a request's variables.
fn literal(literal: &Literal) -> Option<Value> {
    match literal {
        Literal::Enum(name) => Some(Value::String(name.as_str().to_owned())),
        Literal::List(items) => items.iter().map(|item| self::literal(item)).collect::<Option<_>>().map(Value::Array),
        Literal::Object(entries) => {
            let entry = |(key, value): &(Name, Node<Literal>)| Some((key.as_str().to_owned(), self::literal(value)?));
            entries.iter().map(entry).collect::<Option<_>>().map(Value::Object)
        }
        other => literals::json(other),
    }
}

/// The values of an operation's variables: the given ones, coerced to their types, and the defaults. Given values that
/// no variable is declared for are dropped. Fails with an objection for each value that doesn't fit.
pub(super) fn values(
    operation: &Operation,
    mut given: Map<String, Value>,
    gate: &Gate,
) -> Result<Map<String, Value>, Vec<Objection>> {
    let mut values = Map::new();
    let mut objections = Vec::new();
    for variable in &operation.variables {
        let name = variable.name.as_str();
        let mut coercing = Coercing::new(gate, variable);
        match (given.remove(name), &variable.default) {
            (Some(value), _) => {
                values.insert(name.to_owned(), coercing.value(&variable.ty, value));
            }
            (None, Some(default)) => {
                values.insert(name.to_owned(), default.clone());
            }
            (None, None) if variable.ty.is_non_null() => {
                coercing.object(format!("must have a value of type `{}`", variable.ty));
            }
            (None, None) => {}
        }
        objections.append(&mut coercing.objections);
    }
    if objections.is_empty() {
        return Ok(values);
    }
    objections.truncate(ERRORS_MAX);
    Err(objections)
}

/// The coercion of one variable's value.
struct Coercing<'a> {
    gate: &'a Gate,
    variable: &'a Variable,
    /// The path within the value, such as `.packages`, `[3]`.
    path: Vec<String>,
    objections: Vec<Objection>,
}

impl<'a> Coercing<'a> {
    fn new(gate: &'a Gate, variable: &'a Variable) -> Self {
        Self { gate, variable, path: Vec::new(), objections: Vec::new() }
    }

    fn object(&mut self, why: impl std::fmt::Display) {
        if self.objections.len() < ERRORS_MAX {
            let message = format!("Variable `${}{}` {why}.", self.variable.name, self.path.concat());
            self.objections.push(Objection::new(Code::BadUserInput, message).at(self.variable.location));
        }
    }

    fn within(&mut self, step: String, ty: &Type, value: Value) -> Value {
        self.path.push(step);
        let value = self.value(ty, value);
        self.path.pop();
        value
    }

    /// Coerces `value` to `ty`. A value that doesn't fit adds an objection, and is returned as it is.
    fn value(&mut self, ty: &Type, value: Value) -> Value {
        match (ty, value) {
            (_, Value::Null) => {
                if ty.is_non_null() {
                    self.object(format_args!("must not be null: its type is `{ty}`"));
                }
                Value::Null
            }
            (Type::List(item) | Type::NonNullList(item), Value::Array(items)) => {
                let items = items.into_iter().enumerate().map(|(i, value)| self.within(format!("[{i}]"), item, value));
                Value::Array(items.collect())
            }
            // A list type accepts a single item.
            (Type::List(item) | Type::NonNullList(item), value) => Value::Array(vec![self.value(item, value)]),
            (Type::Named(name) | Type::NonNullNamed(name), value) => {
                let gate = self.gate;
                match gate.schema.types.get(name) {
                    Some(ExtendedType::InputObject(input)) => self.input_object(input, value),
                    Some(ExtendedType::Enum(of)) => self.enum_value(of, value),
                    _ => self.scalar(name, value),
                }
            }
        }
    }

    fn scalar(&mut self, name: &str, value: Value) -> Value {
        let coerced = match name {
            "String" => value.is_string().then_some(value),
            "Boolean" => value.is_boolean().then_some(value),
            "Int" => whole(&value).filter(|n| i32::try_from(*n).is_ok()).map(Value::from),
            "Float" => value.is_number().then_some(value),
            "ID" => match value {
                Value::String(_) => Some(value),
                value => whole(&value).map(|n| Value::String(n.to_string())),
            },
            _ => match (self.gate.facts.check_scalar)(name, &value) {
                Ok(()) => Some(value),
                Err(expected) => {
                    self.object(format_args!("is no `{name}`: {expected}"));
                    return Value::Null;
                }
            },
        };
        coerced.unwrap_or_else(|| {
            self.object(format_args!("is no `{name}`"));
            Value::Null
        })
    }

    fn enum_value(&mut self, of: &EnumType, value: Value) -> Value {
        if !value.as_str().is_some_and(|text| of.values.contains_key(text)) {
            self.object(format_args!("isn't a value of the enum `{}`", of.name));
        }
        value
    }

    fn input_object(&mut self, input: &InputObjectType, value: Value) -> Value {
        let Value::Object(given) = value else {
            self.object(format_args!("must be an object of type `{}`", input.name));
            return value;
        };
        if input.is_one_of() && (given.len() != 1 || given.values().any(Value::is_null)) {
            self.object(format_args!("must have exactly one field, not null: its type is `{}`", input.name));
        }
        let mut coerced = Map::with_capacity(given.len());
        for (key, value) in given {
            match input.fields.get(key.as_str()) {
                Some(field) => {
                    let value = self.within(format!(".{key}"), &field.ty, value);
                    coerced.insert(key, value);
                }
                None => self.object(format_args!("has a field `{key}`, that `{}` doesn't have", input.name)),
            }
        }
        for (name, field) in &input.fields {
            if field.is_required() && !coerced.contains_key(name.as_str()) {
                self.object(format_args!("lacks the field `{name}` of type `{}`", field.ty));
            }
        }
        Value::Object(coerced)
    }
}

/// The approximate size in memory, in bytes; rather too high than too low.
#[must_use]
pub fn bytes_of(value: &Value) -> usize {
    /// The memory of an object's entry without its key and its value.
    const ENTRY: usize = 96;
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.capacity(),
            Value::Array(items) => {
                (items.capacity() - items.len()) * size_of::<Value>() + items.iter().map(bytes_of).sum::<usize>()
            }
            Value::Object(entries) => entries.iter().map(|(key, value)| ENTRY + key.capacity() + bytes_of(value)).sum(),
        }
}

/// A number without a fraction, in any notation: `3`, `3.0`, `3e0`.
fn whole(value: &Value) -> Option<i64> {
    /// Up to this number a double represents every whole number exactly.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: &Number = value.as_number()?;
    number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        Some(float as i64)
    })
}
