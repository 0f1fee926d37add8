//! Changes of the fields of input objects.

use apollo_compiler::ast::{InputValueDefinition, Type};
use apollo_compiler::collections::IndexMap;
use apollo_compiler::{Name, Node};

use super::ChangeKind as Kind;
use super::Criticality::{Breaking, Dangerous, NonBreaking};
use super::directives::Place;
use super::fields::changed_type;
use super::{Comparison, paired, text};

type Fields = IndexMap<Name, Node<InputValueDefinition>>;

impl<'a> Comparison<'a> {
    pub(super) fn input_fields(&mut self, owner: &str, old: Option<&'a Fields>, new: &'a Fields) {
        let fields = paired(old.into_iter().flat_map(|old| old.values().map(named)), new.values().map(named));
        for (name, field) in fields.added {
            let path = format!("{owner}.{name}");
            let (grade, message) = match old {
                None => (NonBreaking, "the field was added"),
                Some(_) if self.has_default(field) => {
                    (Dangerous, "the field was added with a default, which is used where a client doesn't give it")
                }
                Some(_) if field.ty.is_non_null() => (Breaking, "the field was added, and has to be given"),
                Some(_) => (NonBreaking, "the field was added"),
            };
            self.add(Kind::InputFieldAdded, grade, &path, message);
            self.input_field(&path, None, field);
        }
        for (name, _) in fields.removed {
            self.add(Kind::InputFieldRemoved, Breaking, format!("{owner}.{name}"), "the field was removed");
        }
        for (name, old, new) in fields.kept {
            self.input_field(&format!("{owner}.{name}"), Some(old), new);
        }
    }

    fn input_field(&mut self, path: &str, old: Option<&'a InputValueDefinition>, new: &'a InputValueDefinition) {
        match (text(old.and_then(|old| old.description.as_ref())), text(new.description.as_ref())) {
            (old, new) if old == new => {}
            (None, _) => self.harmless(Kind::InputFieldDescriptionAdded, path, "the field's description was added"),
            (_, None) => self.harmless(Kind::InputFieldDescriptionRemoved, path, "the field's description was removed"),
            _ => self.harmless(Kind::InputFieldDescriptionChanged, path, "the field's description changed"),
        }
        if let Some(old) = old {
            if let Some(message) = self.changed_default(old, new) {
                self.add(Kind::InputFieldDefaultValueChanged, Dangerous, path, message);
            }
            if old.ty != new.ty {
                let grade = if is_safe(&old.ty, &new.ty) { NonBreaking } else { Breaking };
                self.add(Kind::InputFieldTypeChanged, grade, path, changed_type(&old.ty, &new.ty));
            }
        }
        self.directives(Place::INPUT_FIELD, path, old.map(|old| &old.directives), &new.directives, old.is_none());
    }
}

/// An argument or an input field with its name.
pub(super) fn named(input: &Node<InputValueDefinition>) -> (&str, &InputValueDefinition) {
    (input.name.as_str(), input)
}

/// Whether every value of the old type is one of the new type: it is the same, or may be null where it couldn't be.
pub(super) fn is_safe(old: &Type, new: &Type) -> bool {
    use Type::{List, Named, NonNullList, NonNullNamed};
    match (old, new) {
        (Named(old), Named(new)) | (NonNullNamed(old), Named(new) | NonNullNamed(new)) => old == new,
        (List(old), List(new)) | (NonNullList(old), List(new) | NonNullList(new)) => is_safe(old, new),
        _ => false,
    }
}
