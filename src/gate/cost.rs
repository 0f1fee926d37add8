//! What an operation costs: a formula, made once for a document, that the variables complete.
//!
//! A field counts 1, and 2 on a connection's node. A list multiplies all that is under it by its size: a
//! connection by its page, `first` or `last`, a list that is asked for by ids by their number, and any
//! other, that a rule bounds, by [`PAGE`], or by less where the schema's [facts](Facts) say so.
//! Introspection is free.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use serde_json::{Map, Value};

use super::Facts;
use super::limits::{PAGE, PAGE_MAX};

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
    /// Of a page: `first`, and if that is null `last`.
    Page(Vec<Argument>),
    /// As many as the list in this variable has.
    Count(String),
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
    facts: &'a Facts,
}

impl Formula {
    /// Of an operation in a valid document, whose fragments don't spread out without bounds.
    pub(super) fn of(document: &ExecutableDocument, set: &SelectionSet, facts: &Facts) -> Self {
        let mut formula = Self::default();
        formula.add(&Counting { document, facts }, set, Stand::Anywhere);
        formula
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
            return;
        }
        self.known = self.known.saturating_add(if stand == Stand::Node { 2 } else { 1 });
        let Some(set) = &field.selection_set else { return };
        let is_connection = field.definition.argument_by_name("first").is_some();
        let below = match stand {
            _ if is_connection => Stand::Connection,
            Stand::Connection if field.name == "edges" => Stand::Edge,
            Stand::Edge if field.name == "node" => Stand::Node,
            _ => Stand::Anywhere,
        };
        let size = match below {
            Stand::Connection => page(field),
            Stand::Edge => Size::Known(1),
            _ if field.ty().is_list() => list(field, (counting.facts.list_size)(parent, &field.name)),
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

    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        16 + self.products.iter().map(|(_, under)| 64 + under.bytes()).sum::<usize>()
    }
}

impl Size {
    fn evaluate(&self, variables: &Map<String, Value>) -> u64 {
        match self {
            Self::Known(size) => *size,
            Self::Page(arguments) => arguments.iter().find_map(|argument| argument.evaluate(variables)).unwrap_or(PAGE),
            Self::Count(name) => match variables.get(name) {
                Some(Value::Array(list)) => list.len() as u64,
                _ => 1,
            },
        }
    }
}

impl Argument {
    fn evaluate(&self, variables: &Map<String, Value>) -> Option<u64> {
        match self {
            Self::Known(size) => Some(*size),
            Self::Variable(name) => variables.get(name).and_then(Value::as_i64).map(size),
        }
    }
}

/// A page's size as it is counted: one that the field refuses counts as one that it doesn't.
fn size(asked: i64) -> u64 {
    u64::try_from(asked).unwrap_or(0).clamp(1, PAGE_MAX)
}

fn page(field: &Field) -> Size {
    let argument = |name: &str| match &**field.specified_argument_by_name(name)? {
        Literal::Variable(name) => Some(Argument::Variable(name.as_str().to_owned())),
        Literal::Int(number) => Some(Argument::Known(number.try_to_i32().map_or(PAGE_MAX, |n| size(n.into())))),
        _ => None,
    };
    let arguments: Vec<Argument> = ["first", "last"].into_iter().filter_map(argument).collect();
    match &arguments[..] {
        [] => Size::Known(PAGE),
        [Argument::Known(size), ..] => Size::Known(*size),
        _ => Size::Page(arguments),
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
