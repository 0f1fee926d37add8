//! Changes of root types, types, interfaces and unions.

use apollo_compiler::Name;
use apollo_compiler::Node;
use apollo_compiler::collections::IndexSet;
use apollo_compiler::schema::{ExtendedType, SchemaDefinition};

use super::ChangeKind as Kind;
use super::Criticality::{Breaking, Dangerous, NonBreaking};
use super::directives::Place;
use super::{Change, Comparison, paired, text};

/// Types that every schema has.
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

impl<'a> Comparison<'a> {
    pub(super) fn roots(&mut self) {
        type Root = fn(&SchemaDefinition) -> Option<&Node<Name>>;
        let roots: [(Kind, &str, Root); 3] = [
            (Kind::SchemaQueryTypeChanged, "query", |schema| schema.query.as_ref()),
            (Kind::SchemaMutationTypeChanged, "mutation", |schema| schema.mutation.as_ref()),
            (Kind::SchemaSubscriptionTypeChanged, "subscription", |schema| schema.subscription.as_ref()),
        ];
        for (kind, operation, root) in roots {
            let of = |schema: &'a SchemaDefinition| root(schema).map(|name| name.as_str());
            let (old, new) = (of(&self.old.schema_definition), of(&self.new.schema_definition));
            let (criticality, message) = match (old, new) {
                _ if old == new => continue,
                (None, _) => (NonBreaking, format!("the schema has {operation} operations now")),
                (_, None) => (Breaking, format!("the schema has no {operation} operations any more")),
                (Some(old), Some(new)) => {
                    (Breaking, format!("the root type of {operation} operations changed from {old} to {new}"))
                }
            };
            self.changes.push(Change { criticality, kind, path: None, message });
        }
    }

    pub(super) fn types(&mut self) {
        let of = |schema: &'a apollo_compiler::Schema| {
            let own = |name: &str| !BUILT_IN.contains(&name) && !name.starts_with("__");
            schema.types.iter().map(|(name, ty)| (name.as_str(), ty)).filter(move |(name, _)| own(name))
        };
        let types = paired(of(self.old), of(self.new));
        for (name, _) in types.removed {
            self.add(Kind::TypeRemoved, Breaking, name, "the type was removed");
        }
        for (name, ty) in types.added {
            self.harmless(Kind::TypeAdded, name, "the type was added");
            self.one_type(name, None, ty);
        }
        for (name, old, new) in types.kept {
            self.one_type(name, Some(old), new);
        }
    }

    fn one_type(&mut self, name: &str, old: Option<&'a ExtendedType>, new: &'a ExtendedType) {
        use ExtendedType::{Enum, InputObject, Interface, Object, Scalar, Union};
        let is_new = old.is_none();
        let place = match (old, new) {
            (None | Some(Scalar(_)), Scalar(_)) => Place::SCALAR,
            (None | Some(Object(_)), Object(new)) => {
                let old = old.and_then(ExtendedType::as_object);
                self.interfaces(name, old.map(|old| &old.implements_interfaces), &new.implements_interfaces);
                self.fields(name, old.map(|old| &old.fields), &new.fields);
                Place::OBJECT
            }
            (None | Some(Interface(_)), Interface(new)) => {
                let old = old.and_then(ExtendedType::as_interface);
                self.interfaces(name, old.map(|old| &old.implements_interfaces), &new.implements_interfaces);
                self.fields(name, old.map(|old| &old.fields), &new.fields);
                Place::INTERFACE
            }
            (None | Some(Union(_)), Union(new)) => {
                self.members(name, old.and_then(ExtendedType::as_union).map(|old| &old.members), &new.members);
                Place::UNION
            }
            (None | Some(Enum(_)), Enum(new)) => {
                self.enum_values(name, old.and_then(ExtendedType::as_enum).map(|old| &old.values), &new.values);
                Place::ENUM
            }
            (None | Some(InputObject(_)), InputObject(new)) => {
                let old = old.and_then(ExtendedType::as_input_object);
                self.input_fields(name, old.map(|old| &old.fields), &new.fields);
                Place::INPUT_OBJECT
            }
            (Some(old), new) => {
                let message = format!("the type changed from {} to {}", kind_of(old), kind_of(new));
                self.add(Kind::TypeKindChanged, Breaking, name, message);
                self.type_description(name, Some(old), new);
                return;
            }
        };
        self.directives(place, name, old.map(ExtendedType::directives), new.directives(), is_new);
        self.type_description(name, old, new);
    }

    fn type_description(&mut self, name: &str, old: Option<&ExtendedType>, new: &ExtendedType) {
        match (text(old.and_then(|old| old.description())), text(new.description())) {
            (old, new) if old == new => {}
            (None, _) => self.harmless(Kind::TypeDescriptionAdded, name, "the type's description was added"),
            (_, None) => self.harmless(Kind::TypeDescriptionRemoved, name, "the type's description was removed"),
            _ => self.harmless(Kind::TypeDescriptionChanged, name, "the type's description changed"),
        }
    }

    fn interfaces(&mut self, name: &str, old: Option<&IndexSet<Node<Name>>>, new: &IndexSet<Node<Name>>) {
        let grade = if old.is_none() { NonBreaking } else { Dangerous };
        let (removed, added) = members(old, new);
        for interface in added {
            let message = format!("the type implements {interface} now: a field of that type can return it");
            self.add(Kind::ObjectTypeInterfaceAdded, grade, name, message);
        }
        for interface in removed {
            let message = format!("the type no longer implements {interface}");
            self.add(Kind::ObjectTypeInterfaceRemoved, Breaking, name, message);
        }
    }

    fn members(&mut self, name: &str, old: Option<&IndexSet<Node<Name>>>, new: &IndexSet<Node<Name>>) {
        let grade = if old.is_none() { NonBreaking } else { Dangerous };
        let (removed, added) = members(old, new);
        for member in added {
            self.add(Kind::UnionMemberAdded, grade, name, format!("the union has the member {member} now"));
        }
        for member in removed {
            self.add(Kind::UnionMemberRemoved, Breaking, name, format!("the union no longer has the member {member}"));
        }
    }
}

/// The names that only the old set has, and the names that only the new set has.
fn members<'a>(
    old: Option<&'a IndexSet<Node<Name>>>,
    new: &'a IndexSet<Node<Name>>,
) -> (Vec<&'a Node<Name>>, Vec<&'a Node<Name>>) {
    let removed = old.into_iter().flatten().filter(|name| !new.contains(*name)).collect();
    let added = new.iter().filter(|name| !old.is_some_and(|old| old.contains(*name))).collect();
    (removed, added)
}

/// The kind of a type, for messages.
fn kind_of(ty: &ExtendedType) -> &'static str {
    match ty {
        ExtendedType::Scalar(_) => "a scalar",
        ExtendedType::Object(_) => "an object",
        ExtendedType::Interface(_) => "an interface",
        ExtendedType::Union(_) => "a union",
        ExtendedType::Enum(_) => "an enum",
        ExtendedType::InputObject(_) => "an input object",
    }
}
