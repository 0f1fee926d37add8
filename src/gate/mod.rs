//! What stands before the framework: every document, whichever way it came, is read, bounded and
//! validated here against the schema's text. Pure: text in, a verdict and a printed text out.
//!
//! A document's way: its length, its tokens, its nesting, the specification's rules, its size when all
//! fragments are spread out, its depth; then it is printed in the form that the framework reads, with
//! each token at the place where the client wrote it. What it costs depends on its variables, and so do
//! they on it: [`Gate::prepare`] settles that for each request anew.

mod cache;
mod coerce;
mod cost;
mod directives;
mod introspection;
mod limits;
mod literals;
mod measure;
mod objection;
mod print;
mod read;
mod root;
mod secrets;
mod stored;
mod words;

use std::sync::Arc;

use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use serde_json::{Map, Value};

pub use cache::Checked;
pub use coerce::bytes_of;
pub use limits::Limits;
pub use objection::{Code, Location, Objection, shortened};
pub use stored::{Stored, TrustedDocuments, Wanted};

use cache::Cache;
use cost::Formula;
use introspection::Introspection;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

/// What the gate has to know of a schema beyond its text.
#[derive(Clone, Copy)]
pub struct Facts {
    /// Whether a value is one of a scalar that the specification doesn't know, and if not, what would be.
    pub check_scalar: fn(scalar: &str, value: &Value) -> Result<(), String>,
    /// How long the list of a type's field is counted as, where that isn't a page.
    pub list_size: fn(of: &str, field: &str) -> Option<u64>,
    /// The argument that says how long the list of a type's field is, and the most that it may say.
    pub sized_by: fn(of: &str, field: &str) -> Option<(&'static str, u64)>,
    /// What a type's field costs beside what it answers: rows that it sums up, or a text as long as a page.
    pub field_reads: fn(of: &str, field: &str, ty: &str) -> u64,
    /// What it costs that a field of a filter, or an argument of a field, is given: rows that are read and left out.
    pub filter_reads: fn(of: &str, argument: &str) -> u64,
    /// Whether what stands behind the gate reads a document, and if not, where it stops.
    pub check_syntax: fn(printed: &str) -> Result<(), Location>,
    /// Whether a mutation tells a secret, which nobody can read again.
    pub tells_a_secret: fn(mutation: &str) -> bool,
}

/// The gate before one schema. Shared by all threads.
pub struct Gate {
    schema: Valid<Schema>,
    facts: Facts,
    limits: Limits,
    stored: Stored,
    cache: Cache,
}

/// A document that may be executed.
#[derive(Debug)]
pub struct Document {
    /// What the framework is given.
    pub printed: String,
    /// Whether what was printed stands elsewhere than where the client wrote it: places in it tell nothing.
    pub is_moved: bool,
    operations: Vec<Operation>,
}

/// One operation of a document.
#[derive(Debug)]
pub struct Operation {
    pub kind: OperationKind,
    name: Option<Name>,
    variables: Vec<coerce::Variable>,
    cost: Formula,
    introspection: Introspection,
    /// How many mutations it has.
    mutations: usize,
}

/// A request that may be executed, and what it costs.
#[derive(Debug)]
pub struct Prepared {
    pub kind: OperationKind,
    /// The operation's name in the printed text.
    pub operation_name: Option<String>,
    /// The variables' values as the operation's types take them, with its defaults.
    pub variables: Map<String, Value>,
    pub cost: u64,
    /// About how many bytes of the schema the operation asks for, while they are gathered; 0 for none.
    pub introspection_bytes: u64,
    /// Whether it asks for nothing else: these variables always get the same answer.
    pub is_introspection: bool,
    /// How many mutations it has.
    pub mutations: usize,
}

impl Gate {
    /// Before the schema that `sdl` describes.
    ///
    /// # Errors
    /// What is wrong with `sdl`, or with a trusted document.
    pub fn new(sdl: &str, facts: Facts, limits: Limits, stored: Stored) -> Result<Self, String> {
        let schema =
            read::schema(sdl).map_err(|error| format!("the schema can't be read by the gate before it: {error}"))?;
        let cache = Cache::new(limits.cache_bytes);
        let gate = Self { schema, facts, limits, stored, cache };
        gate.check_trusted()?;
        Ok(gate)
    }

    /// The limits that it keeps.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// About how many bytes the verdicts take that are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// The verdict on a text, from memory when it was asked for before.
    #[must_use]
    pub fn check(&self, text: &str) -> Arc<Checked> {
        self.cache.get_or_judge(text, || self.judge(text))
    }

    /// The verdict on a text, found anew.
    ///
    /// # Errors
    /// Why it may not be executed.
    pub fn judge(&self, text: &str) -> Result<Document, Vec<Objection>> {
        let read::Read { document, is_moved } = read::document(text, &self.schema, &self.limits)?;
        literals::check(&document, &self.schema, &self.facts)?;
        measure::check(&document, &self.limits)?;
        let operations = document.operations.iter().map(|operation| self.operation(&document, operation, text));
        let operations = operations.collect::<Result<_, _>>()?;
        let printed = if is_moved { print::anew(&document) } else { print::in_place(text, &document) };
        // The parser here passes over a name that has no colon and no value; who wrote it meant something.
        (self.facts.check_syntax)(&printed)
            .map_err(|at| vec![Objection::parse("syntax error: something else is expected here").at(Some(at))])?;
        Ok(Document { operations, printed, is_moved })
    }

    fn operation(
        &self,
        document: &apollo_compiler::ExecutableDocument,
        operation: &apollo_compiler::executable::Operation,
        text: &str,
    ) -> Result<Operation, Vec<Objection>> {
        use apollo_compiler::executable::OperationType;
        Ok(Operation {
            kind: match operation.operation_type {
                OperationType::Query => OperationKind::Query,
                OperationType::Mutation => OperationKind::Mutation,
                OperationType::Subscription => OperationKind::Subscription,
            },
            name: operation.name.clone(),
            variables: coerce::variables(operation, text, self)?,
            cost: Formula::of(document, &operation.selection_set, &self.schema, &self.facts),
            introspection: introspection::weigh(operation, document, &self.schema)?,
            mutations: secrets::check(document, operation, &self.facts)?,
        })
    }

    /// What is to be executed of a document: the operation that `operation_name` picks, with its
    /// variables' values, when it doesn't cost too much.
    ///
    /// # Errors
    /// Why it may not be executed.
    pub fn prepare(
        &self,
        document: &Document,
        operation_name: Option<&str>,
        variables: Map<String, Value>,
    ) -> Result<Prepared, Vec<Objection>> {
        let operation = document.operation(operation_name)?;
        let variables = coerce::values(operation, variables, self)?;
        let cost = operation.cost.evaluate(&variables);
        if cost > self.limits.cost {
            let message = format!(
                "The operation costs {cost}, and one may cost {} at most; ask for smaller pages or fewer fields.",
                self.limits.cost
            );
            return Err(vec![Objection::validation(message).bounded(self.limits.cost, cost)]);
        }
        let operation_name = operation.name.as_ref().map(|name| name.as_str().to_owned());
        let Introspection { bytes: introspection_bytes, is_all: is_introspection } = operation.introspection;
        let (kind, mutations) = (operation.kind, operation.mutations);
        Ok(Prepared { kind, operation_name, variables, cost, introspection_bytes, is_introspection, mutations })
    }
}

impl Document {
    /// The operation that a request asks for: the named one, or without a name the only one.
    fn operation(&self, name: Option<&str>) -> Result<&Operation, Vec<Objection>> {
        let found = match (name, &self.operations[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), operations) => {
                operations.iter().find(|operation| operation.name.as_ref().is_some_and(|known| known == name))
            }
        };
        found.ok_or_else(|| {
            let message = match name {
                None if self.operations.is_empty() => "The document has no operation.",
                None => "The document has more than one operation; say which with `operationName`.",
                Some(_) => "The document has no operation with the name that `operationName` gives.",
            };
            vec![Objection::new(Code::BadUserInput, message)]
        })
    }

    /// About how many bytes it takes in memory, and not fewer: by what its parts have room for.
    fn bytes(&self) -> usize {
        let of_operation = |operation: &Operation| {
            let name = operation.name.as_ref().map_or(0, |name| name.as_str().len());
            let variables = operation.variables.iter().map(coerce::Variable::bytes).sum::<usize>();
            256 + name + operation.cost.bytes() + variables
        };
        256 + self.printed.capacity() + self.operations.iter().map(of_operation).sum::<usize>()
    }
}
