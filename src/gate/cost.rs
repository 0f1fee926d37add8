//! The cost of an operation: a formula that is built once for a document, and evaluated with each request's variables.
//!
//! A field costs 1, or 2 on the node of a connection. A list multiplies the cost of everything in it by its size. The
//! size of a connection is its page, `first` or `last`; a list that is selected by ids has as many items; some lists
//! have a size argument. Other lists, whose size a rule limits, count as [`PAGE`], or as the schema's [facts](Facts)
//! say. Fields also cost more when the database reads more than it returns: a search, a filter without an index, a
//! total, a sum. So do long texts, and long aliases. Introspection has its own limit, in `introspection.rs`.

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Map, Value};

use super::Facts;
use super::limits::{COUNT, NAME, PAGE, PAGE_MAX};

/// A known number, plus products that depend on variables.
#[derive(Debug, Default)]
pub(super) struct Formula {
    constant: u64,
    products: Vec<(Size, Formula)>,
}

/// The factor by which a list multiplies its contents.
#[derive(Debug)]
enum Size {
    Constant(u64),
    /// The first of `arguments` that isn't null, at most `most`; `otherwise` when all are null.
    Sized {
        arguments: Vec<Argument>,
        otherwise: u64,
        most: u64,
    },
    /// The length of the list in this variable.
    Count(String),
    /// 1 if this variable, or this field of it, has a value other than null and false; else 0.
    FromVariable {
        variable: String,
        field: Option<String>,
    },
}

#[derive(Debug)]
enum Argument {
    Constant(u64),
    Variable(String),
}

/// The position of a selection relative to a connection.
#[derive(Clone, Copy, PartialEq)]
enum ConnectionPart {
    Anywhere,
    /// Directly below a connection: its `edges` have the size of the page, and don't multiply again.
    Connection,
    /// Directly below an edge of a connection.
    Edge,
    /// Directly on a connection's node.
    Node,
}

struct Counting<'a> {
    document: &'a ExecutableDocument,
    schema: &'a Schema,
    facts: &'a Facts,
}

impl Counting<'_> {
    /// The cost of reading the rows that a field's filters leave out.
    fn filters(&self, field: &Field) -> Formula {
        let mut formula = Formula::default();
        for argument in &field.arguments {
            let Some(definition) = field.definition.argument_by_name(&argument.name) else { continue };
            match self.schema.types.get(definition.ty.inner_named_type()) {
                Some(ExtendedType::InputObject(input)) => match &*argument.value {
                    Literal::Object(entries) => {
                        for (name, value) in entries {
                            formula.add_argument((self.facts.filter_reads)(&input.name, name), value);
                        }
                    }
                    Literal::Variable(variable) => {
                        for name in input.fields.keys() {
                            formula.add_variable((self.facts.filter_reads)(&input.name, name), variable, Some(name));
                        }
                    }
                    _ => {}
                },
                _ => formula.add_argument((self.facts.filter_reads)(&field.name, &argument.name), &argument.value),
            }
        }
        formula
    }

    /// Whether a connection's total is selected. It costs once, under however many aliases.
    fn selects_total(&self, set: &SelectionSet) -> bool {
        set.selections.iter().any(|selection| match selection {
            Selection::Field(field) => field.name == "totalCount",
            Selection::InlineFragment(inline) => self.selects_total(&inline.selection_set),
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.fragment_name);
                fragment.is_some_and(|fragment| self.selects_total(&fragment.selection_set))
            }
        })
    }

    fn size(&self, parent: &str, field: &Field) -> Size {
        if let Some((name, most)) = (self.facts.sized_by)(parent, &field.name) {
            let default = field.definition.argument_by_name(name).and_then(|it| it.default_value.as_ref()?.to_i32());
            return sized(field, &[name], default.map_or(PAGE, |default| clamped(default.into(), most)), most);
        }
        list(field, (self.facts.list_size)(parent, &field.name))
    }
}

impl Formula {
    /// The formula of a selection in a valid document whose expanded size was checked.
    pub(super) fn of(document: &ExecutableDocument, set: &SelectionSet, schema: &Schema, facts: &Facts) -> Self {
        let mut formula = Self::default();
        formula.add(&Counting { document, schema, facts }, set, ConnectionPart::Anywhere);
        formula
    }

    fn plus(&mut self, other: Self) {
        self.constant = self.constant.saturating_add(other.constant);
        self.products.extend(other.products);
    }

    /// Adds the cost of an argument, unless its value is null or false.
    fn add_argument(&mut self, cost: u64, value: &Literal) {
        match value {
            Literal::Null | Literal::Boolean(false) => {}
            Literal::Variable(variable) => self.add_variable(cost, variable, None),
            _ => self.constant = self.constant.saturating_add(cost),
        }
    }

    fn add_variable(&mut self, cost: u64, variable: &str, field: Option<&str>) {
        if cost > 0 {
            let requested = Size::FromVariable { variable: variable.to_owned(), field: field.map(str::to_owned) };
            self.products.push((requested, Self { constant: cost, products: Vec::new() }));
        }
    }

    fn add(&mut self, counting: &Counting<'_>, set: &SelectionSet, part: ConnectionPart) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => self.add_field(counting, &set.ty, field, part),
                Selection::InlineFragment(inline) => self.add(counting, &inline.selection_set, part),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = counting.document.fragments.get(&spread.fragment_name) {
                        self.add(counting, &fragment.selection_set, part);
                    }
                }
            }
        }
    }

    fn add_field(&mut self, counting: &Counting<'_>, parent: &str, field: &Field, part: ConnectionPart) {
        if field.name.starts_with("__") {
            // A field of introspection is free here, apart from a long alias.
            self.constant = self.constant.saturating_add(name(field));
            return;
        }
        let own = if part == ConnectionPart::Node { 2 } else { 1 };
        let own = own + name(field) + (counting.facts.field_reads)(parent, &field.name, field.ty().inner_named_type());
        self.constant = self.constant.saturating_add(own);
        self.plus(counting.filters(field));
        let Some(set) = &field.selection_set else { return };
        let is_connection = field.definition.argument_by_name("first").is_some();
        let below = match part {
            _ if is_connection => ConnectionPart::Connection,
            ConnectionPart::Connection if field.name == "edges" => ConnectionPart::Edge,
            ConnectionPart::Edge if field.name == "node" => ConnectionPart::Node,
            _ => ConnectionPart::Anywhere,
        };
        if is_connection && counting.selects_total(set) {
            // A total reads all matching rows, not only a page.
            self.constant = self.constant.saturating_add(COUNT);
            self.plus(counting.filters(field));
        }
        let size = match below {
            ConnectionPart::Connection => sized(field, &["first", "last"], PAGE, PAGE_MAX),
            ConnectionPart::Edge => Size::Constant(1),
            _ if field.ty().is_list() => counting.size(parent, field),
            _ => Size::Constant(1),
        };
        let mut under = Self::default();
        under.add(counting, set, below);
        match size {
            Size::Constant(size) if under.products.is_empty() => {
                self.constant = self.constant.saturating_add(size.saturating_mul(under.constant));
            }
            size => self.products.push((size, under)),
        }
    }

    /// The cost with these variables, which must be coerced.
    pub(super) fn evaluate(&self, variables: &Map<String, Value>) -> u64 {
        self.products.iter().fold(self.constant, |sum, (size, under)| {
            sum.saturating_add(size.evaluate(variables).saturating_mul(under.evaluate(variables)))
        })
    }

    /// The approximate size in memory, in bytes; rather too high than too low.
    pub(super) fn bytes(&self) -> usize {
        let room = self.products.capacity() * size_of::<(Size, Self)>();
        32 + room + self.products.iter().map(|(size, under)| size.bytes() + under.bytes()).sum::<usize>()
    }
}

impl Size {
    fn evaluate(&self, variables: &Map<String, Value>) -> u64 {
        match self {
            Self::Constant(size) => *size,
            Self::Sized { arguments, otherwise, most } => {
                arguments.iter().find_map(|argument| argument.evaluate(variables, *most)).unwrap_or(*otherwise)
            }
            Self::Count(name) => match variables.get(name) {
                Some(Value::Array(list)) => list.len() as u64,
                _ => 1,
            },
            Self::FromVariable { variable, field } => {
                let value = variables.get(variable).and_then(|value| match field {
                    Some(field) => value.get(field),
                    None => Some(value),
                });
                u64::from(!matches!(value, None | Some(Value::Null | Value::Bool(false))))
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Constant(_) => 0,
            Self::Sized { arguments, .. } => {
                let names = arguments.iter().map(|argument| match argument {
                    Argument::Constant(_) => 0,
                    Argument::Variable(name) => name.capacity(),
                });
                arguments.capacity() * size_of::<Argument>() + names.sum::<usize>()
            }
            Self::Count(name) => name.capacity(),
            Self::FromVariable { variable, field } => variable.capacity() + field.as_ref().map_or(0, String::capacity),
        }
    }
}

impl Argument {
    fn evaluate(&self, variables: &Map<String, Value>, most: u64) -> Option<u64> {
        match self {
            Self::Constant(size) => Some(*size),
            Self::Variable(name) => {
                variables.get(name).and_then(Value::as_i64).map(|requested| clamped(requested, most))
            }
        }
    }
}

/// The cost of a field's name in the answer, which repeats it for each item.
fn name(field: &Field) -> u64 {
    field.response_name().len() as u64 / NAME
}

/// The size for the cost. The field refuses a size out of its range; here it counts as the nearest allowed one.
fn clamped(requested: i64, most: u64) -> u64 {
    u64::try_from(requested).unwrap_or(0).clamp(1, most)
}

fn sized(field: &Field, names: &[&str], otherwise: u64, most: u64) -> Size {
    let argument = |name: &&str| match &**field.specified_argument_by_name(name)? {
        Literal::Variable(name) => Some(Argument::Variable(name.as_str().to_owned())),
        Literal::Int(number) => Some(Argument::Constant(number.try_to_i32().map_or(most, |n| clamped(n.into(), most)))),
        _ => None,
    };
    let arguments: Vec<Argument> = names.iter().filter_map(argument).collect();
    match &arguments[..] {
        [] => Size::Constant(otherwise),
        [Argument::Constant(size), ..] => Size::Constant(*size),
        _ => Size::Sized { arguments, otherwise, most },
    }
}

fn list(field: &Field, constant: Option<u64>) -> Size {
    match field.specified_argument_by_name("ids").map(|ids| &**ids) {
        Some(Literal::Variable(name)) => Size::Count(name.as_str().to_owned()),
        Some(Literal::List(ids)) => Size::Constant(ids.len() as u64),
        Some(_) => Size::Constant(1),
        None => Size::Constant(constant.unwrap_or(PAGE)),
    }
}
