//! Changes of fields, their arguments, and values of enums.

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::collections::IndexMap;
use apollo_compiler::schema::{DirectiveList, EnumValueDefinition};
use apollo_compiler::{Name, Node};

use super::ChangeKind as Kind;
use super::Criticality::{Breaking, Dangerous, NonBreaking};
use super::directives::Place;
use super::{Comparison, inputs, paired, text};

/// The reason of a deprecation that names none.
const NO_REASON: &str = "No longer supported";

type Fields = IndexMap<Name, Node<FieldDefinition>>;
type Values = IndexMap<Name, Node<EnumValueDefinition>>;

impl<'a> Comparison<'a> {
    pub(super) fn fields(&mut self, owner: &str, old: Option<&'a Fields>, new: &'a Fields) {
        let named = |(name, field): (&'a Name, &'a Node<FieldDefinition>)| (name.as_str(), &**field);
        let fields = paired(old.into_iter().flatten().map(named), new.iter().map(named));
        for (name, _) in fields.removed {
            self.add(Kind::FieldRemoved, Breaking, format!("{owner}.{name}"), "the field was removed");
        }
        for (name, field) in fields.added {
            let path = format!("{owner}.{name}");
            self.harmless(Kind::FieldAdded, &path, "the field was added");
            self.field(&path, None, field);
        }
        for (name, old, new) in fields.kept {
            self.field(&format!("{owner}.{name}"), Some(old), new);
        }
    }

    fn field(&mut self, path: &str, old: Option<&'a FieldDefinition>, new: &'a FieldDefinition) {
        match (text(old.and_then(|old| old.description.as_ref())), text(new.description.as_ref())) {
            (old, new) if old == new => {}
            (None, _) => self.harmless(Kind::FieldDescriptionAdded, path, "the field's description was added"),
            (_, None) => self.harmless(Kind::FieldDescriptionRemoved, path, "the field's description was removed"),
            _ => self.harmless(Kind::FieldDescriptionChanged, path, "the field's description changed"),
        }
        self.deprecation(path, old.and_then(|old| deprecation(&old.directives)), deprecation(&new.directives));
        if let Some(old) = old.filter(|old| old.ty != new.ty) {
            let grade = if is_safe_output(&old.ty, &new.ty) { NonBreaking } else { Breaking };
            self.add(Kind::FieldTypeChanged, grade, path, changed_type(&old.ty, &new.ty));
        }
        self.arguments(path, old, new);
        self.directives(Place::FIELD, path, old.map(|old| &old.directives), &new.directives, old.is_none());
    }

    fn deprecation(&mut self, path: &str, old: Option<&str>, new: Option<&str>) {
        let marked = format!("{path}.@deprecated");
        match (old, new) {
            _ if old == new => {}
            (None, _) => self.harmless(Kind::FieldDeprecationAdded, marked, "the field is deprecated now"),
            (_, None) => self.harmless(Kind::FieldDeprecationRemoved, marked, "the field is no longer deprecated"),
            (Some(NO_REASON), _) => {
                self.harmless(Kind::FieldDeprecationReasonAdded, marked, "the deprecation has a reason now");
            }
            (_, Some(NO_REASON)) => {
                self.harmless(Kind::FieldDeprecationReasonRemoved, path, "the deprecation has no reason any more");
            }
            _ => self.harmless(Kind::FieldDeprecationReasonChanged, marked, "the reason of the deprecation changed"),
        }
    }

    fn arguments(&mut self, field: &str, old: Option<&'a FieldDefinition>, new: &'a FieldDefinition) {
        let of = |field: &'a FieldDefinition| field.arguments.iter().map(inputs::named);
        let arguments = paired(old.into_iter().flat_map(of), of(new));
        for (name, argument) in arguments.added {
            let is_required = argument.ty.is_non_null() && !self.has_default(argument);
            let (grade, message) = match (old, is_required) {
                (None, _) => (NonBreaking, "the argument was added"),
                (_, true) => (Breaking, "the argument was added, and has to be given"),
                (_, false) => (Dangerous, "the argument was added"),
            };
            self.add(Kind::FieldArgumentAdded, grade, format!("{field}.{name}"), message);
        }
        for (name, _) in arguments.removed {
            self.add(Kind::FieldArgumentRemoved, Breaking, format!("{field}.{name}"), "the argument was removed");
        }
        for (name, old, new) in arguments.kept {
            self.argument(&format!("{field}.{name}"), old, new);
        }
    }

    fn argument(&mut self, path: &str, old: &'a InputValueDefinition, new: &'a InputValueDefinition) {
        if text(old.description.as_ref()) != text(new.description.as_ref()) {
            self.harmless(Kind::FieldArgumentDescriptionChanged, path, "the argument's description changed");
        }
        if let Some(message) = self.changed_default(old, new) {
            self.add(Kind::FieldArgumentDefaultChanged, Dangerous, path, message);
        }
        if old.ty != new.ty {
            let grade = if inputs::is_safe(&old.ty, &new.ty) { NonBreaking } else { Breaking };
            self.add(Kind::FieldArgumentTypeChanged, grade, path, changed_type(&old.ty, &new.ty));
        }
        self.directives(Place::ARGUMENT, path, Some(&old.directives), &new.directives, false);
    }

    pub(super) fn enum_values(&mut self, owner: &str, old: Option<&'a Values>, new: &'a Values) {
        let named = |(name, value): (&'a Name, &'a Node<EnumValueDefinition>)| (name.as_str(), &**value);
        let values = paired(old.into_iter().flatten().map(named), new.iter().map(named));
        for (name, _) in values.removed {
            self.add(Kind::EnumValueRemoved, Breaking, format!("{owner}.{name}"), "the value was removed");
        }
        let grade = if old.is_none() { NonBreaking } else { Dangerous };
        for (name, value) in values.added {
            let path = format!("{owner}.{name}");
            self.add(Kind::EnumValueAdded, grade, &path, "the value was added");
            self.enum_value(&path, None, value);
        }
        for (name, old, new) in values.kept {
            self.enum_value(&format!("{owner}.{name}"), Some(old), new);
        }
    }

    fn enum_value(&mut self, path: &str, old: Option<&'a EnumValueDefinition>, new: &'a EnumValueDefinition) {
        if text(old.and_then(|old| old.description.as_ref())) != text(new.description.as_ref()) {
            self.harmless(Kind::EnumValueDescriptionChanged, path, "the value's description changed");
        }
        let marked = format!("{path}.@deprecated");
        match (old.and_then(|old| deprecation(&old.directives)), deprecation(&new.directives)) {
            (old, new) if old == new => {}
            (_, None) | (Some(_), Some(NO_REASON)) => {
                let message = "the value's deprecation, or its reason, was removed";
                self.harmless(Kind::EnumValueDeprecationReasonRemoved, path, message);
            }
            (None | Some(NO_REASON), _) => {
                self.harmless(Kind::EnumValueDeprecationReasonAdded, marked, "the value is deprecated, with a reason");
            }
            _ => {
                self.harmless(Kind::EnumValueDeprecationReasonChanged, marked, "the reason of the deprecation changed")
            }
        }
        self.directives(Place::ENUM_VALUE, path, old.map(|old| &old.directives), &new.directives, old.is_none());
    }
}

/// The reason for which something is deprecated.
fn deprecation(directives: &DirectiveList) -> Option<&str> {
    let directive = directives.get("deprecated")?;
    let reason = directive.arguments.iter().find(|argument| argument.name == "reason");
    Some(reason.and_then(|reason| reason.value.as_str()).unwrap_or(NO_REASON))
}

/// The message for a changed type.
pub(super) fn changed_type(old: &Type, new: &Type) -> String {
    format!("the type changed from {old} to {new}")
}

/// Whether a client that expects the old type can read the new one: it is the same, or never null where it could be.
fn is_safe_output(old: &Type, new: &Type) -> bool {
    use Type::{List, Named, NonNullList, NonNullNamed};
    match (old, new) {
        (Named(old), Named(new) | NonNullNamed(new)) | (NonNullNamed(old), NonNullNamed(new)) => old == new,
        (List(old), List(new) | NonNullList(new)) | (NonNullList(old), NonNullList(new)) => is_safe_output(old, new),
        _ => false,
    }
}
