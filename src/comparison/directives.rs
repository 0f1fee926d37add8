//! Changes of directives, and of where the schema applies them.

use std::collections::{HashMap, VecDeque};

use apollo_compiler::ast::{Argument, InputValueDefinition};
use apollo_compiler::schema::{Directive, DirectiveDefinition, DirectiveList};
use apollo_compiler::{Node, Schema};

use super::ChangeKind as Kind;
use super::Criticality::{self, Breaking, Dangerous, NonBreaking};
use super::fields::changed_type;
use super::{Comparison, inputs, paired, text};

/// Directives that the specification defines. A schema may define them or not.
const SPECIFIED: [&str; 5] = ["deprecated", "include", "oneOf", "skip", "specifiedBy"];

/// A kind of place at which a schema applies directives, by the kinds of its changes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    added: Kind,
    removed: Kind,
}

impl Place {
    const SCHEMA: Self = Self { added: Kind::DirectiveUsageSchemaAdded, removed: Kind::DirectiveUsageSchemaRemoved };
    pub(super) const SCALAR: Self =
        Self { added: Kind::DirectiveUsageScalarAdded, removed: Kind::DirectiveUsageScalarRemoved };
    pub(super) const OBJECT: Self =
        Self { added: Kind::DirectiveUsageObjectAdded, removed: Kind::DirectiveUsageObjectRemoved };
    pub(super) const INTERFACE: Self =
        Self { added: Kind::DirectiveUsageInterfaceAdded, removed: Kind::DirectiveUsageInterfaceRemoved };
    pub(super) const UNION: Self =
        Self { added: Kind::DirectiveUsageUnionMemberAdded, removed: Kind::DirectiveUsageUnionMemberRemoved };
    pub(super) const ENUM: Self =
        Self { added: Kind::DirectiveUsageEnumAdded, removed: Kind::DirectiveUsageEnumRemoved };
    pub(super) const ENUM_VALUE: Self =
        Self { added: Kind::DirectiveUsageEnumValueAdded, removed: Kind::DirectiveUsageEnumValueRemoved };
    pub(super) const INPUT_OBJECT: Self =
        Self { added: Kind::DirectiveUsageInputObjectAdded, removed: Kind::DirectiveUsageInputObjectRemoved };
    pub(super) const INPUT_FIELD: Self = Self {
        added: Kind::DirectiveUsageInputFieldDefinitionAdded,
        removed: Kind::DirectiveUsageInputFieldDefinitionRemoved,
    };
    pub(super) const FIELD: Self =
        Self { added: Kind::DirectiveUsageFieldDefinitionAdded, removed: Kind::DirectiveUsageFieldDefinitionRemoved };
    pub(super) const ARGUMENT: Self = Self {
        added: Kind::DirectiveUsageArgumentDefinitionAdded,
        removed: Kind::DirectiveUsageArgumentDefinitionRemoved,
    };
}

impl<'a> Comparison<'a> {
    pub(super) fn schema_directives(&mut self) {
        let (old, new) = (&self.old.schema_definition.directives, &self.new.schema_definition.directives);
        self.directives(Place::SCHEMA, "", Some(old), new, false);
    }

    /// Compares the directives at one place. A directive that occurs there several times is paired in order.
    pub(super) fn directives(
        &mut self,
        place: Place,
        path: &str,
        old: Option<&'a DirectiveList>,
        new: &'a DirectiveList,
        is_new: bool,
    ) {
        let mut waiting: HashMap<&str, VecDeque<&Directive>> = HashMap::new();
        for directive in &new.0 {
            waiting.entry(directive.name.as_str()).or_default().push_back(directive);
        }
        for old in old.into_iter().flat_map(|old| &old.0) {
            let name = old.name.as_str();
            let at = format!("{path}.@{name}");
            match waiting.get_mut(name).and_then(VecDeque::pop_front) {
                Some(new) => self.usage_arguments(&at, &old.arguments, &new.arguments),
                None => self.add(place.removed, grade_of_removed(name), at, format!("@{name} was taken away")),
            }
        }
        // In the order of the schema. The remaining directives of each name are its last ones.
        for new in new.0.iter().filter(|new| waiting[new.name.as_str()].iter().any(|left| std::ptr::eq(*left, &***new)))
        {
            let at = format!("{path}.@{}", new.name);
            let grade = if is_new { NonBreaking } else { grade_of_added(&new.name) };
            self.add(place.added, grade, &at, format!("@{} was applied", new.name));
            self.usage_arguments(&at, &[], &new.arguments);
        }
    }

    fn usage_arguments(&mut self, path: &str, old: &'a [Node<Argument>], new: &'a [Node<Argument>]) {
        let named = |argument: &'a Node<Argument>| (argument.name.as_str(), &**argument);
        let arguments = paired(old.iter().map(named), new.iter().map(named));
        let changed: Vec<_> = arguments.kept.into_iter().filter(|(_, old, new)| old.value != new.value).collect();
        for name in arguments.removed.into_iter().map(|(name, _)| name).chain(changed.iter().map(|(name, ..)| *name)) {
            let message = "the argument, or its value, was taken away";
            self.add(Kind::DirectiveUsageArgumentRemoved, Dangerous, format!("{path}.{name}"), message);
        }
        let changed = changed.into_iter().map(|(name, _, new)| (name, new));
        for (name, argument) in arguments.added.into_iter().chain(changed) {
            let message = format!("the argument is {} now", argument.value);
            self.harmless(Kind::DirectiveUsageArgumentAdded, format!("{path}.{name}"), message);
        }
    }

    pub(super) fn directive_definitions(&mut self) {
        let of = |schema: &'a Schema| {
            let all = schema.directive_definitions.iter().map(|(name, directive)| (name.as_str(), &**directive));
            all.filter(|(name, _)| !SPECIFIED.contains(name))
        };
        let directives = paired(of(self.old), of(self.new));
        for (name, _) in directives.removed {
            self.add(Kind::DirectiveRemoved, Breaking, format!("@{name}"), "the directive was removed");
        }
        for (name, directive) in directives.added {
            let path = format!("@{name}");
            self.harmless(Kind::DirectiveAdded, &path, "the directive was added");
            self.directive(&path, None, directive);
        }
        for (name, old, new) in directives.kept {
            self.directive(&format!("@{name}"), Some(old), new);
        }
    }

    fn directive(&mut self, path: &str, old: Option<&'a DirectiveDefinition>, new: &'a DirectiveDefinition) {
        if text(old.and_then(|old| old.description.as_ref())) != text(new.description.as_ref()) {
            self.harmless(Kind::DirectiveDescriptionChanged, path, "the directive's description changed");
        }
        match (old.is_some_and(|old| old.repeatable), new.repeatable) {
            (true, false) => {
                self.add(Kind::DirectiveRepeatableRemoved, Dangerous, path, "the directive can no longer be repeated");
            }
            (false, true) => {
                self.harmless(Kind::DirectiveRepeatableAdded, path, "the directive can be repeated now");
            }
            _ => {}
        }
        for location in new.locations.iter().filter(|at| !old.is_some_and(|old| old.locations.contains(*at))) {
            let message = format!("the directive can be used on {location} now");
            self.harmless(Kind::DirectiveLocationAdded, path, message);
        }
        for location in old.iter().flat_map(|old| &old.locations).filter(|at| !new.locations.contains(*at)) {
            let message = format!("the directive can no longer be used on {location}");
            self.add(Kind::DirectiveLocationRemoved, Breaking, path, message);
        }
        self.directive_arguments(path, old, new);
    }

    fn directive_arguments(&mut self, path: &str, old: Option<&'a DirectiveDefinition>, new: &'a DirectiveDefinition) {
        let of = |directive: &'a DirectiveDefinition| directive.arguments.iter().map(inputs::named);
        let arguments = paired(old.into_iter().flat_map(of), of(new));
        for (name, argument) in arguments.added {
            let grade = if old.is_some() && argument.ty.is_non_null() { Breaking } else { NonBreaking };
            self.add(Kind::DirectiveArgumentAdded, grade, path, format!("the argument {name} was added"));
        }
        for (name, _) in arguments.removed {
            let message = "the argument was removed";
            self.add(Kind::DirectiveArgumentRemoved, Breaking, format!("{path}.{name}"), message);
        }
        for (name, old, new) in arguments.kept {
            self.directive_argument(&format!("{path}.{name}"), old, new);
        }
    }

    fn directive_argument(&mut self, path: &str, old: &'a InputValueDefinition, new: &'a InputValueDefinition) {
        if text(old.description.as_ref()) != text(new.description.as_ref()) {
            self.harmless(Kind::DirectiveArgumentDescriptionChanged, path, "the argument's description changed");
        }
        if let Some(message) = self.changed_default(old, new) {
            self.add(Kind::DirectiveArgumentDefaultValueChanged, Dangerous, path, message);
        }
        if old.ty != new.ty {
            let grade = if inputs::is_safe(&old.ty, &new.ty) { NonBreaking } else { Breaking };
            self.add(Kind::DirectiveArgumentTypeChanged, grade, path, changed_type(&old.ty, &new.ty));
        }
    }
}

/// The grade of an added directive. Only `@oneOf` makes documents invalid; the meaning of other directives isn't known.
fn grade_of_added(name: &str) -> Criticality {
    match name {
        "deprecated" => NonBreaking,
        "oneOf" => Breaking,
        _ => Dangerous,
    }
}

fn grade_of_removed(name: &str) -> Criticality {
    if matches!(name, "deprecated" | "oneOf") { NonBreaking } else { Dangerous }
}
