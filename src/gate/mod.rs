//! The gate before the GraphQL framework. It reads each document, whatever its transport, checks it against the limits
//! and the schema, and prints it again. It is a pure function of its input.
//!
//! The checks, in order: length, tokens, nesting, the specification's validation, expanded size and depth. Then the
//! gate prints the document in a form that the framework reads, with each token at its original position. The cost
//! depends on the variables, so [`Gate::prepare`] computes it for each request.

mod cache;
mod coerce;
mod cost;
mod directives;
mod introspection;
mod limits;
mod literals;
mod measure;
mod merge;
mod objection;
mod parser_messages;
mod print;
mod read;
mod root;
mod secrets;
mod stored;

use std::sync::Arc;

use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use serde_json::{Map, Value};

pub use cache::Checked;
pub use coerce::bytes_of;
pub use limits::Limits;
pub use objection::{Code, Location, Objection, shortened};
pub use stored::{DocumentRequest, Stored, TrustedDocuments};

use cache::Cache;
use cost::Formula;
use introspection::Introspection;

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

/// The facts about a schema that the gate can't read from its SDL.
#[derive(Clone, Copy)]
pub struct Facts {
    /// Checks a value of a custom scalar. The error says which values are valid.
    pub check_scalar: fn(scalar: &str, value: &Value) -> Result<(), String>,
    /// The size of a list for the cost, where it isn't a page.
    pub list_size: fn(of: &str, field: &str) -> Option<u64>,
    /// The argument that sets a list's size, and its highest value.
    pub sized_by: fn(of: &str, field: &str) -> Option<(&'static str, u64)>,
    /// The extra cost of a field: for rows that it sums up, or a long text.
    pub field_reads: fn(of: &str, field: &str, ty: &str) -> u64,
    /// The cost of an argument, or of a field of a filter, for the rows that are read and left out.
    pub filter_reads: fn(of: &str, argument: &str) -> u64,
    /// Checks that the framework's parser can read a printed document. The error is where the parser stops.
    pub check_syntax: fn(printed: &str) -> Result<(), Location>,
    /// Whether a mutation returns a secret, which can't be read again.
    pub tells_a_secret: fn(mutation: &str) -> bool,
}

/// The gate for one schema. All threads share it.
pub struct Gate {
    schema: Valid<Schema>,
    facts: Facts,
    limits: Limits,
    stored: Stored,
    cache: Cache,
}

/// A document that passed the gate and may be executed.
#[derive(Debug)]
pub struct Document {
    /// The text for the framework.
    pub printed: String,
    /// Whether tokens in `printed` are at other positions than in the client's text. Positions in errors mean nothing
    /// then.
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
    /// The number of its mutations.
    mutations: usize,
    tells_a_secret: bool,
}

/// An operation with its variables, ready to be executed, and its cost.
#[derive(Debug)]
pub struct Prepared {
    pub kind: OperationKind,
    /// The operation's name in `printed`.
    pub operation_name: Option<String>,
    /// The variables, coerced to their types, with the defaults.
    pub variables: Map<String, Value>,
    pub cost: u64,
    /// The approximate memory of the introspection in the answer, in bytes; 0 without introspection.
    pub introspection_bytes: u64,
    /// Whether the operation consists of introspection alone: with the same variables it always gets the same answer.
    pub is_introspection: bool,
    /// The number of its mutations.
    pub mutations: usize,
    /// Whether its last mutation returns a secret, which can't be read again.
    pub tells_a_secret: bool,
}

impl Gate {
    /// A gate for the schema with the text `sdl`. Fails when `sdl`, or a trusted document in `stored`, isn't valid.
    pub fn new(sdl: &str, facts: Facts, limits: Limits, stored: Stored) -> Result<Self, String> {
        let schema =
            read::schema(sdl).map_err(|error| format!("the schema can't be read by the gate before it: {error}"))?;
        let cache = Cache::new(limits.cache_bytes);
        let gate = Self { schema, facts, limits, stored, cache };
        gate.check_trusted()?;
        Ok(gate)
    }

    /// The limits of documents.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The approximate memory of the cached verdicts, in bytes.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.cache.bytes()
    }

    /// The hits and the misses of the cache of verdicts.
    #[must_use]
    pub fn lookups(&self) -> (u64, u64) {
        self.cache.lookups()
    }

    /// The verdict on a document, cached.
    #[must_use]
    pub fn check(&self, text: &str) -> Arc<Checked> {
        self.cache.get_or_judge(text, || self.judge(text))
    }

    /// The verdict on a document, without the cache. Fails with the reasons why it can't be executed.
    pub fn judge(&self, text: &str) -> Result<Document, Vec<Objection>> {
        let read::Read { document, is_moved } = read::document(text, &self.schema, &self.limits)?;
        literals::check(&document, &self.schema, &self.facts)?;
        measure::check(&document, &self.limits)?;
        let operations = document.operations.iter().map(|operation| self.operation(&document, operation, text));
        let operations = operations.collect::<Result<_, _>>()?;
        let printed = if is_moved { print::print_compact(&document) } else { print::in_place(text, &document) };
        // The gate's parser ignores a name without a colon and a value; the framework's parser doesn't.
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
        let (mutations, tells_a_secret) = secrets::check(document, operation, &self.facts)?;
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
            mutations,
            tells_a_secret,
        })
    }

    /// Picks the operation named `operation_name`, coerces its variables, and computes its cost. Fails when there is no
    /// such operation, a variable doesn't fit, or the cost is over the limit.
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
        let Operation { kind, mutations, tells_a_secret, .. } = *operation;
        Ok(Prepared {
            kind,
            operation_name,
            variables,
            cost,
            introspection_bytes,
            is_introspection,
            mutations,
            tells_a_secret,
        })
    }
}

impl Document {
    /// The operation that a request selects: the named one, or without a name the only one.
    fn operation(&self, name: Option<&str>) -> Result<&Operation, Vec<Objection>> {
        let found = match (name, &self.operations[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(name), operations) => {
                operations.iter().find(|operation| operation.name.as_ref().is_some_and(|candidate| candidate == name))
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

    /// The approximate size in memory, in bytes; rather too high than too low.
    fn bytes(&self) -> usize {
        let of_operation = |operation: &Operation| {
            let name = operation.name.as_ref().map_or(0, |name| name.as_str().len());
            let variables = operation.variables.iter().map(coerce::Variable::bytes).sum::<usize>();
            256 + name + operation.cost.bytes() + variables
        };
        256 + self.printed.capacity() + self.operations.iter().map(of_operation).sum::<usize>()
    }
}
