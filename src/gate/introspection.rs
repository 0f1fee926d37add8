//! Limits introspection. It is open to everybody, and its lists lead from types to types and back, so a short document
//! could produce an answer larger than the memory. The gate adds up the answer's size from the schema before the
//! framework builds it: each field's name and text.

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type, Value};
use apollo_compiler::collections::HashMap;
use apollo_compiler::executable::{Field, Operation, Selection, SelectionSet};
use apollo_compiler::schema::{DirectiveDefinition, EnumValueDefinition, ExtendedType, Implementers};
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};

use super::objection::Objection;

/// How deep lists of fields or types may be nested. Tools need two levels.
const LISTS_MAX: u64 = 2;
/// The largest answer in bytes: more than twice what tools get when they read the whole schema.
const BYTES_MAX: u64 = 4 << 20;
/// The memory of a field while the answer is built, without its name and its text.
const FIELD_BYTES: u64 = 64;

/// The introspection in an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Introspection {
    /// The approximate memory of this part of the answer in bytes; 0 without introspection.
    pub(super) bytes: u64,
    /// Whether the operation consists of introspection alone, so that its answer never changes.
    pub(super) is_all: bool,
}

/// Measures the introspection of an operation in a valid document whose expanded size was checked. Fails when it is
/// over a limit.
pub(super) fn weigh(
    operation: &Operation,
    document: &ExecutableDocument,
    schema: &Schema,
) -> Result<Introspection, Vec<Objection>> {
    let roots = roots(operation, document);
    if roots.meta_fields.is_empty() {
        return Ok(Introspection::default());
    }
    let lists = Lists { document };
    let deep = roots.meta_fields.iter().map(|field| lists.under(field)).max().unwrap_or_default();
    if deep > LISTS_MAX {
        let message = format!(
            "The introspection asks for {deep} lists of fields or types within each other, and may ask for {LISTS_MAX}; ask for less at once."
        );
        return Err(vec![Objection::validation(message).bounded(LISTS_MAX, deep)]);
    }
    let mut weighing = Weighing { document, schema, implementers: schema.implementers_map(), bytes: 0 };
    for field in &roots.meta_fields {
        weighing.root(field);
    }
    if weighing.is_too_much() {
        let message = format!(
            "The introspection asks for more than {BYTES_MAX} bytes, the most that it may; ask for less at once."
        );
        return Err(vec![Objection::validation(message).bounded(BYTES_MAX, weighing.bytes)]);
    }
    Ok(Introspection { bytes: weighing.bytes, is_all: !roots.has_others })
}

/// The root fields of an operation.
#[derive(Default)]
struct Roots<'a> {
    /// The fields `__schema` and `__type`.
    meta_fields: Vec<&'a Field>,
    /// Whether there are other fields; `__typename` doesn't count.
    has_others: bool,
}

fn roots<'a>(operation: &'a Operation, document: &'a ExecutableDocument) -> Roots<'a> {
    let mut roots = Roots::default();
    let mut sets = vec![&operation.selection_set];
    while let Some(set) = sets.pop() {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) if field.name == "__typename" => {}
                Selection::Field(field) if field.name.starts_with("__") => roots.meta_fields.push(field),
                Selection::Field(_) => roots.has_others = true,
                Selection::InlineFragment(inline) => sets.push(&inline.selection_set),
                Selection::FragmentSpread(spread) => {
                    sets.extend(document.fragments.get(&spread.fragment_name).map(|it| &it.selection_set));
                }
            }
        }
    }
    roots
}

/// Counts how deep lists of fields or types are nested.
struct Lists<'a> {
    document: &'a ExecutableDocument,
}

impl Lists<'_> {
    fn under(&self, field: &Field) -> u64 {
        field.selection_set.as_ref().map_or(0, |set| self.below(set))
    }

    fn below(&self, set: &SelectionSet) -> u64 {
        let deepest = set.selections.iter().map(|selection| match selection {
            Selection::Field(field) => {
                let leads_on = matches!(field.name.as_str(), "fields" | "inputFields" | "interfaces" | "possibleTypes");
                u64::from(leads_on) + self.under(field)
            }
            Selection::InlineFragment(inline) => self.below(&inline.selection_set),
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.fragment_name);
                fragment.map_or(0, |fragment| self.below(&fragment.selection_set))
            }
        });
        deepest.max().unwrap_or_default()
    }
}

/// An object that introspection returns.
#[derive(Clone, Copy)]
enum MetaObject<'a> {
    Schema,
    Type(&'a ExtendedType),
    /// A non-null type or a list, which introspection shows as a wrapper.
    Wrapped(&'a Type),
    /// The list inside a non-null list. The parser has one value for both wrappers; introspection shows two.
    ListOf(&'a Type),
    Field(&'a FieldDefinition),
    Input(&'a InputValueDefinition),
    EnumValue(&'a EnumValueDefinition),
    Directive(&'a DirectiveDefinition),
}

/// Walks through the answer without building it, and adds up its size. Each step checks the limit, so the work is
/// limited too.
struct Weighing<'a> {
    document: &'a ExecutableDocument,
    schema: &'a Schema,
    implementers: HashMap<Name, Implementers>,
    bytes: u64,
}

impl<'a> Weighing<'a> {
    fn is_too_much(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    fn root(&mut self, field: &Field) {
        let schema = self.schema;
        let meta: Vec<MetaObject<'a>> = if field.name == "__schema" {
            vec![MetaObject::Schema]
        } else {
            match field.specified_argument_by_name("name").and_then(|name| name.as_str()) {
                Some(name) => schema.types.get(name).map(MetaObject::Type).into_iter().collect(),
                // The type's name comes from a variable: any type is possible.
                None => schema.types.values().map(MetaObject::Type).collect(),
            }
        };
        if let Some(set) = &field.selection_set {
            self.weigh(set, &meta);
        }
    }

    fn weigh(&mut self, set: &SelectionSet, meta: &[MetaObject<'a>]) {
        let document = self.document;
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => self.field(field, meta),
                Selection::InlineFragment(inline) => self.weigh(&inline.selection_set, meta),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = document.fragments.get(&spread.fragment_name) {
                        self.weigh(&fragment.selection_set, meta);
                    }
                }
            }
            if self.is_too_much() {
                return;
            }
        }
    }

    fn field(&mut self, field: &Field, meta: &[MetaObject<'a>]) {
        let of_each = FIELD_BYTES + field.response_name().len() as u64;
        let mut below = Vec::new();
        for one in meta {
            self.bytes += of_each + self.text(*one, &field.name);
            if field.selection_set.is_some() {
                self.below(*one, &field.name, &mut below);
            }
            if self.is_too_much() {
                return;
            }
        }
        if let Some(set) = field.selection_set.as_ref().filter(|_| !below.is_empty()) {
            self.weigh(set, &below);
        }
    }

    /// The bytes of the text that a field returns.
    fn text(&self, meta: MetaObject<'a>, field: &str) -> u64 {
        let described = |description: &Option<Node<str>>| description.as_ref().map_or(0, |text| text.len());
        let bytes = match (field, meta) {
            ("description", MetaObject::Schema) => described(&self.schema.schema_definition.description),
            ("description", MetaObject::Type(ty)) => ty.description().map_or(0, |text| text.len()),
            ("description", MetaObject::Field(field)) => described(&field.description),
            ("description", MetaObject::Input(input)) => described(&input.description),
            ("description", MetaObject::EnumValue(value)) => described(&value.description),
            ("description", MetaObject::Directive(directive)) => described(&directive.description),
            ("name", MetaObject::Type(ty)) => ty.name().len(),
            ("name", MetaObject::Field(field)) => field.name.len(),
            ("name", MetaObject::Input(input)) => input.name.len(),
            ("name", MetaObject::EnumValue(value)) => value.value.len(),
            ("name", MetaObject::Directive(directive)) => directive.name.len(),
            ("defaultValue", MetaObject::Input(input)) => {
                input.default_value.as_ref().map_or(0, |value| written(value))
            }
            ("locations", MetaObject::Directive(directive)) => 32 * directive.locations.len(),
            // An upper estimate: a sentence, or a web address.
            ("deprecationReason" | "specifiedByURL", _) => 128,
            _ => 0,
        };
        bytes as u64
    }

    /// The objects to which a field of `meta` leads.
    fn below(&self, meta: MetaObject<'a>, field: &str, to: &mut Vec<MetaObject<'a>>) {
        let schema = self.schema;
        let named = |name: &str| schema.types.get(name).map(MetaObject::Type);
        match (meta, field) {
            (MetaObject::Schema, "types") => to.extend(schema.types.values().map(MetaObject::Type)),
            (MetaObject::Schema, "directives") => {
                to.extend(schema.directive_definitions.values().map(|directive| MetaObject::Directive(directive)));
            }
            (MetaObject::Schema, "queryType") => to.extend(root_type(schema, "Query")),
            (MetaObject::Schema, "mutationType") => to.extend(root_type(schema, "Mutation")),
            (MetaObject::Schema, "subscriptionType") => to.extend(root_type(schema, "Subscription")),
            (MetaObject::Type(ty), _) => match (ty, field) {
                (ExtendedType::Object(object), "fields") => {
                    to.extend(object.fields.values().map(|field| MetaObject::Field(field)));
                }
                (ExtendedType::Interface(interface), "fields") => {
                    to.extend(interface.fields.values().map(|field| MetaObject::Field(field)));
                }
                (ExtendedType::Object(object), "interfaces") => {
                    to.extend(object.implements_interfaces.iter().filter_map(|name| named(name)));
                }
                (ExtendedType::Interface(interface), "interfaces") => {
                    to.extend(interface.implements_interfaces.iter().filter_map(|name| named(name)));
                }
                (ExtendedType::Interface(interface), "possibleTypes") => {
                    let implementers = self.implementers.get(&interface.name);
                    to.extend(implementers.iter().flat_map(|of| of.objects.iter()).filter_map(|name| named(name)));
                }
                (ExtendedType::Union(union), "possibleTypes") => {
                    to.extend(union.members.iter().filter_map(|name| named(name)));
                }
                (ExtendedType::Enum(of), "enumValues") => {
                    to.extend(of.values.values().map(|value| MetaObject::EnumValue(value)));
                }
                (ExtendedType::InputObject(input), "inputFields") => {
                    to.extend(input.fields.values().map(|field| MetaObject::Input(field)));
                }
                _ => {}
            },
            (MetaObject::Field(field), "args") => {
                to.extend(field.arguments.iter().map(|argument| MetaObject::Input(argument)))
            }
            (MetaObject::Directive(directive), "args") => {
                to.extend(directive.arguments.iter().map(|argument| MetaObject::Input(argument)));
            }
            (MetaObject::Field(field), "type") => to.extend(self.of_type(&field.ty)),
            (MetaObject::Input(input), "type") => to.extend(self.of_type(&input.ty)),
            (MetaObject::Wrapped(ty), "ofType") => to.extend(self.within(ty)),
            (MetaObject::ListOf(item), "ofType") => to.extend(self.of_type(item)),
            _ => {}
        }
    }

    fn of_type(&self, ty: &'a Type) -> Option<MetaObject<'a>> {
        match ty {
            Type::Named(name) => self.schema.types.get(name).map(MetaObject::Type),
            _ => Some(MetaObject::Wrapped(ty)),
        }
    }

    fn within(&self, ty: &'a Type) -> Option<MetaObject<'a>> {
        match ty {
            Type::NonNullNamed(name) | Type::Named(name) => self.schema.types.get(name).map(MetaObject::Type),
            Type::NonNullList(item) => Some(MetaObject::ListOf(item)),
            Type::List(item) => self.of_type(item),
        }
    }
}

fn root_type<'a>(schema: &'a Schema, name: &str) -> Option<MetaObject<'a>> {
    schema.types.get(name).map(MetaObject::Type)
}

fn written(value: &Value) -> usize {
    value.to_string().len()
}
