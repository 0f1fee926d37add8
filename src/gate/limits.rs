//! How much one request may ask for.

/// The limits of documents. Each is told to whoever passes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a document.
    pub document_bytes: usize,
    /// The most tokens of a document: names, punctuators and values; spaces, commas and comments are none.
    pub tokens: usize,
    /// How deep selections, values and types may be nested, as the parser counts it.
    pub nesting: usize,
    /// The most fields and fragments of an operation, each fragment counted wherever it is spread.
    pub selections: u64,
    /// How many fields may stand within each other.
    pub depth: u64,
    /// The most that an operation may cost.
    pub cost: u64,
    /// The most fields of a mutation's root.
    pub root_mutations: u64,
    /// The most aliases of one selection.
    pub aliases: u64,
    /// The most bytes of verdicts that are kept.
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

/// The most objections to one request: more than anybody is told.
pub(super) const ERRORS_MAX: usize = 100;
/// The most directives at one location.
pub(super) const DIRECTIVES_MAX: usize = 10;
/// The size of a page when none is asked for.
pub(super) const PAGE: u64 = 20;
/// The largest page: whoever asks for a larger one is refused by the field.
pub(super) const PAGE_MAX: u64 = 100;
/// What a connection's total costs, beside what its filters do.
pub(super) const COUNT: u64 = 100;
/// For each so many bytes the name of a field in the answer costs 1.
pub(super) const NAME: u64 = 32;
