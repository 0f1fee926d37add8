//! What an operation costs: a formula, made once for a document, that the variables complete.
//!
//! A field counts 1, and 2 on a connection's node. A list multiplies all that is under it by its size: a
//! connection by its page, `first` or `last`, a list that is asked for by ids by their number, one that an
//! argument sizes by that, and any other, that a rule bounds, by [`PAGE`], or by what the schema's [facts](Facts)
//! say. What makes the database read more than it answers counts too: a search, a filter without an index, a
//! total, a field that sums up. So does what makes an answer longer than its fields are many: a long text, and a
//! long name that the client gives a field. Introspection is charged apart.

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Map, Value};

use super::Facts;
use super::limits::{COUNT, NAME, PAGE, PAGE_MAX};

/// A sum of numbers that are known, and of products that the variables decide.
#[derive(Debug, Default)]
pub(super) struct Formula {
    known: u64,
    products: Vec<(Size, Formula)>,
}

/// How often what is under a list is counted.
#[derive(Debug)]
enum Size {
    Known(u64),
    /// The first of these arguments that isn't null, up to `most`; `otherwise` without them.
    Sized {
        arguments: Vec<Argument>,
        otherwise: u64,
        most: u64,
    },
    /// As many as the list in this variable has.
    Count(String),
    /// Once, if this variable, or this field of it, asks for something.
    Asked {
        variable: String,
        field: Option<String>,
    },
}

#[derive(Debug)]
enum Argument {
    Known(u64),
    Variable(String),
}

/// Where a selection stands.
#[derive(Clone, Copy, PartialEq)]
enum Stand {
    Anywhere,
    /// Right below a connection: its `edges` are its page, and no list of their own.
    Connection,
    /// Right below an edge of a connection.
    Edge,
    /// On a connection's node.
    Node,
}

struct Counting<'a> {
    document: &'a ExecutableDocument,
    schema: &'a Schema,
    facts: &'a Facts,
}

impl Counting<'_> {
    /// What it costs to read the rows that the arguments of a field leave out.
    fn filters(&self, field: &Field) -> Formula {
        let mut formula = Formula::default();
        for argument in &field.arguments {
            let Some(definition) = field.definition.argument_by_name(&argument.name) else { continue };
            match self.schema.types.get(definition.ty.inner_named_type()) {
                Some(ExtendedType::InputObject(input)) => match &*argument.value {
                    Literal::Object(entries) => {
                        for (name, value) in entries {
                            formula.ask((self.facts.filter_reads)(&input.name, name), value);
                        }
                    }
                    Literal::Variable(variable) => {
                        for name in input.fields.keys() {
                            formula.ask_variable((self.facts.filter_reads)(&input.name, name), variable, Some(name));
                        }
                    }
                    _ => {}
                },
                _ => formula.ask((self.facts.filter_reads)(&field.name, &argument.name), &argument.value),
            }
        }
        formula
    }

    /// Whether the total of a connection is asked for: it is counted once, under however many names.
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
    /// Of an operation in a valid document, whose fragments don't spread out without bounds.
    pub(super) fn of(document: &ExecutableDocument, set: &SelectionSet, schema: &Schema, facts: &Facts) -> Self {
        let mut formula = Self::default();
        formula.add(&Counting { document, schema, facts }, set, Stand::Anywhere);
        formula
    }

    fn plus(&mut self, other: Self) {
        self.known = self.known.saturating_add(other.known);
        self.products.extend(other.products);
    }

    /// Adds what it costs that an argument has this value.
    fn ask(&mut self, cost: u64, value: &Literal) {
        match value {
            Literal::Null | Literal::Boolean(false) => {}
            Literal::Variable(variable) => self.ask_variable(cost, variable, None),
            _ => self.known = self.known.saturating_add(cost),
        }
    }

    fn ask_variable(&mut self, cost: u64, variable: &str, field: Option<&str>) {
        if cost > 0 {
            let asked = Size::Asked { variable: variable.to_owned(), field: field.map(str::to_owned) };
            self.products.push((asked, Self { known: cost, products: Vec::new() }));
        }
    }

    fn add(&mut self, counting: &Counting<'_>, set: &SelectionSet, stand: Stand) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => self.add_field(counting, &set.ty, field, stand),
                Selection::InlineFragment(inline) => self.add(counting, &inline.selection_set, stand),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = counting.document.fragments.get(&spread.fragment_name) {
                        self.add(counting, &fragment.selection_set, stand);
                    }
                }
            }
        }
    }

    fn add_field(&mut self, counting: &Counting<'_>, parent: &str, field: &Field, stand: Stand) {
        if field.name.starts_with("__") {
            // Free, but for a name that makes it long.
            self.known = self.known.saturating_add(name(field));
            return;
        }
        let own = if stand == Stand::Node { 2 } else { 1 };
        let own = own + name(field) + (counting.facts.field_reads)(parent, &field.name, field.ty().inner_named_type());
        self.known = self.known.saturating_add(own);
        self.plus(counting.filters(field));
        let Some(set) = &field.selection_set else { return };
        let is_connection = field.definition.argument_by_name("first").is_some();
        let below = match stand {
            _ if is_connection => Stand::Connection,
            Stand::Connection if field.name == "edges" => Stand::Edge,
            Stand::Edge if field.name == "node" => Stand::Node,
            _ => Stand::Anywhere,
        };
        if is_connection && counting.selects_total(set) {
            // No page ends it early.
            self.known = self.known.saturating_add(COUNT);
            self.plus(counting.filters(field));
        }
        let size = match below {
            Stand::Connection => sized(field, &["first", "last"], PAGE, PAGE_MAX),
            Stand::Edge => Size::Known(1),
            _ if field.ty().is_list() => counting.size(parent, field),
            _ => Size::Known(1),
        };
        let mut under = Self::default();
        under.add(counting, set, below);
        match size {
            Size::Known(size) if under.products.is_empty() => {
                self.known = self.known.saturating_add(size.saturating_mul(under.known));
            }
            size => self.products.push((size, under)),
        }
    }

    /// What it comes to with these values, that the operation's types have been asked about.
    pub(super) fn evaluate(&self, variables: &Map<String, Value>) -> u64 {
        self.products.iter().fold(self.known, |sum, (size, under)| {
            sum.saturating_add(size.evaluate(variables).saturating_mul(under.evaluate(variables)))
        })
    }

    /// About how many bytes it takes in memory, and not fewer.
    pub(super) fn bytes(&self) -> usize {
        let room = self.products.capacity() * size_of::<(Size, Self)>();
        32 + room + self.products.iter().map(|(size, under)| size.bytes() + under.bytes()).sum::<usize>()
    }
}

impl Size {
    fn evaluate(&self, variables: &Map<String, Value>) -> u64 {
        match self {
            Self::Known(size) => *size,
            Self::Sized { arguments, otherwise, most } => {
                arguments.iter().find_map(|argument| argument.evaluate(variables, *most)).unwrap_or(*otherwise)
            }
            Self::Count(name) => match variables.get(name) {
                Some(Value::Array(list)) => list.len() as u64,
                _ => 1,
            },
            Self::Asked { variable, field } => {
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
            Self::Known(_) => 0,
            Self::Sized { arguments, .. } => {
                let names = arguments.iter().map(|argument| match argument {
                    Argument::Known(_) => 0,
                    Argument::Variable(name) => name.capacity(),
                });
                arguments.capacity() * size_of::<Argument>() + names.sum::<usize>()
            }
            Self::Count(name) => name.capacity(),
            Self::Asked { variable, field } => variable.capacity() + field.as_ref().map_or(0, String::capacity),
        }
    }
}

impl Argument {
    fn evaluate(&self, variables: &Map<String, Value>, most: u64) -> Option<u64> {
        match self {
            Self::Known(size) => Some(*size),
            Self::Variable(name) => variables.get(name).and_then(Value::as_i64).map(|asked| clamped(asked, most)),
        }
    }
}

/// What the name that a field has in the answer adds to its cost: it is written as often as the field is.
fn name(field: &Field) -> u64 {
    field.response_name().len() as u64 / NAME
}

/// A list's size as it is counted: one that the field refuses counts as the nearest that it doesn't.
fn clamped(asked: i64, most: u64) -> u64 {
    u64::try_from(asked).unwrap_or(0).clamp(1, most)
}

fn sized(field: &Field, names: &[&str], otherwise: u64, most: u64) -> Size {
    let argument = |name: &&str| match &**field.specified_argument_by_name(name)? {
        Literal::Variable(name) => Some(Argument::Variable(name.as_str().to_owned())),
        Literal::Int(number) => Some(Argument::Known(number.try_to_i32().map_or(most, |n| clamped(n.into(), most)))),
        _ => None,
    };
    let arguments: Vec<Argument> = names.iter().filter_map(argument).collect();
    match &arguments[..] {
        [] => Size::Known(otherwise),
        [Argument::Known(size), ..] => Size::Known(*size),
        _ => Size::Sized { arguments, otherwise, most },
    }
}

fn list(field: &Field, known: Option<u64>) -> Size {
    match field.specified_argument_by_name("ids").map(|ids| &**ids) {
        Some(Literal::Variable(name)) => Size::Count(name.as_str().to_owned()),
        Some(Literal::List(ids)) => Size::Known(ids.len() as u64),
        Some(_) => Size::Known(1),
        None => Size::Known(known.unwrap_or(PAGE)),
    }
}
