//! The limits of a single document.

/// The limits of documents. A refusal names the limit and the requested amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a document.
    pub document_bytes: usize,
    /// The most tokens of a document: names, punctuators and values. Whitespace, commas and comments don't count.
    pub tokens: usize,
    /// How deep selections, values and types may be nested; the parser counts.
    pub nesting: usize,
    /// The most fields and fragments of an operation, with a fragment counted at each spread.
    pub selections: u64,
    /// How deep fields may be nested.
    pub depth: u64,
    /// The highest cost of an operation.
    pub cost: u64,
    /// The most root fields of a mutation.
    pub root_mutations: u64,
    /// The most aliases in one selection.
    pub aliases: u64,
    /// The memory for cached verdicts, in bytes.
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 1024 * 1024,
            tokens: 2_000,
            nesting: 64,
            selections: 5_000,
            depth: 15,
            cost: 40_000,
            root_mutations: 10,
            aliases: 50,
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// The most objections to one request; answers list fewer.
pub(super) const ERRORS_MAX: usize = 100;
/// The most directives at one location.
pub(super) const DIRECTIVES_MAX: usize = 10;
/// The page size when a connection has neither `first` nor `last`.
pub(super) const PAGE: u64 = 20;
/// The largest page size. The field itself refuses a larger one.
pub(super) const PAGE_MAX: u64 = 100;
/// The cost of a connection's total, without its filters.
pub(super) const COUNT: u64 = 100;
/// The name of a field in the answer costs 1 for each so many bytes.
pub(super) const NAME: u64 = 32;
