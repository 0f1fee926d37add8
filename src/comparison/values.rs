//! Default values, compared by what they mean: `1` and `[1]` are the same for a list, and the order of an input
//! object's fields doesn't matter.

use apollo_compiler::Schema;
use apollo_compiler::ast::{InputValueDefinition, Type, Value};
use apollo_compiler::schema::ExtendedType;
use serde_json::{Map, Value as Json};

use super::Comparison;

impl Comparison<'_> {
    /// Whether an argument or input field of the new schema has a default.
    pub(super) fn has_default(&self, input: &InputValueDefinition) -> bool {
        default(self.new, input).is_some()
    }

    /// The message for a changed default; `None` if it is the same.
    pub(super) fn changed_default(&self, old: &InputValueDefinition, new: &InputValueDefinition) -> Option<String> {
        let (before, now) = (default(self.old, old), default(self.new, new));
        let shown = |input: &InputValueDefinition| input.default_value.as_ref().map(ToString::to_string);
        let message = match (shown(old), shown(new)) {
            _ if before == now => return None,
            (None, Some(new)) => format!("the default {new} was added"),
            (Some(old), Some(new)) => format!("the default changed from {old} to {new}"),
            (Some(old), None) => format!("the default {old} was removed"),
            (None, None) => return None,
        };
        Some(message)
    }
}

fn default(schema: &Schema, input: &InputValueDefinition) -> Option<Json> {
    coerced(schema, &input.ty, input.default_value.as_ref()?)
}

/// The value that a resolver gets; `None` if the type doesn't take it.
fn coerced(schema: &Schema, ty: &Type, value: &Value) -> Option<Json> {
    if value.is_null() {
        return (!ty.is_non_null()).then_some(Json::Null);
    }
    match ty {
        Type::List(item) | Type::NonNullList(item) => match value {
            Value::List(values) => values.iter().map(|value| coerced(schema, item, value)).collect(),
            single => Some(Json::Array(vec![coerced(schema, item, single)?])),
        },
        Type::Named(name) | Type::NonNullNamed(name) => match (name.as_str(), schema.types.get(name)?) {
            (_, ExtendedType::InputObject(object)) => {
                let given = value.as_object()?;
                let mut fields = Map::new();
                for (name, field) in &object.fields {
                    let value = given.iter().find(|(given, _)| given == name).map(|(_, value)| value);
                    match value.or(field.default_value.as_ref()) {
                        Some(value) => {
                            fields.insert(name.to_string(), coerced(schema, &field.ty, value)?);
                        }
                        None if field.ty.is_non_null() => return None,
                        None => {}
                    }
                }
                Some(Json::Object(fields))
            }
            ("ID", _) => match value {
                Value::Int(number) => Some(number.as_str().into()),
                _ => value.as_str().map(Into::into),
            },
            _ => untyped(value),
        },
    }
}

/// A value of a scalar or an enum.
fn untyped(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Enum(name) => name.as_str().into(),
        Value::Variable(_) => return None,
        Value::String(text) => text.as_str().into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Int(number) => number.as_str().parse::<f64>().ok()?.into(),
        Value::Float(number) => number.as_str().parse::<f64>().ok()?.into(),
        Value::List(values) => values.iter().map(|value| untyped(value)).collect::<Option<_>>()?,
        Value::Object(fields) => {
            let field = |(name, value): &(apollo_compiler::Name, apollo_compiler::Node<Value>)| {
                Some((name.to_string(), untyped(value)?))
            };
            Json::Object(fields.iter().map(field).collect::<Option<_>>()?)
        }
    })
}
