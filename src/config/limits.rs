//! The settings of how much one request, or one token, may ask for.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, value_parser};

use super::transport::seconds;

/// How much a request may ask for. Whoever passes a limit is told it, and what was asked for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits of requests")]
pub struct LimitArgs {
    /// The most tokens of a document: its names, values and punctuators
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_TOKENS", default_value_t = 2_000, value_parser = value_parser!(u32).range(100..=1_000_000))]
    pub max_tokens: u32,

    /// How deep selections, values and types of a document may be nested, however they stand within each other
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_NESTING", default_value_t = 64, value_parser = value_parser!(u16).range(5..=256))]
    pub max_nesting: u16,

    /// The most fields and fragments of an operation, each fragment counted wherever it is spread
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_SELECTIONS", default_value_t = 5_000, value_parser = value_parser!(u64).range(50..=1_000_000))]
    pub max_selections: u64,

    /// How many fields may stand within each other; the introspection query of the usual tools needs 15
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_DEPTH", default_value_t = 15, value_parser = value_parser!(u64).range(5..=256))]
    pub max_depth: u64,

    /// The most that an operation may cost. A field costs 1, on a connection's node 2; a connection
    /// multiplies what is under it by its page, another list by 20; a search, a total and long texts cost more
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_MAX_COST", default_value_t = 40_000, value_parser = value_parser!(u64).range(100..))]
    pub max_cost: u64,

    /// The most mutations of one operation
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ROOT_MUTATIONS", default_value_t = 10, value_parser = value_parser!(u64).range(1..=1_000))]
    pub max_root_mutations: u64,

    /// The most aliases of one selection
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ALIASES", default_value_t = 50, value_parser = value_parser!(u64).range(0..=10_000))]
    pub max_aliases: u64,

    /// How many seconds a query or a mutation may take; then it is answered TIMEOUT, and what it has not
    /// committed is undone
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_EXECUTION_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub execution_timeout: Duration,

    /// How many seconds a statement in the database may take, whoever asks for it
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_STATEMENT_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub statement_timeout: Duration,

    /// The most errors of an answer; of how many more there were `extensions.errorsLeftOut` tells
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ERRORS", default_value_t = 20, value_parser = value_parser!(u8).range(1..=100))]
    pub max_errors: u8,

    /// The most characters of an error's message
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_MESSAGE", default_value_t = 300, value_parser = value_parser!(u16).range(100..=1_000))]
    pub max_message: u16,

    /// What the requests of one token may cost in a minute, each at least 10; one that would cost more is
    /// answered 429. 0 for no limit; the demo has none
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_RATE_LIMIT", default_value_t = 10_000_000, value_parser = rate)]
    pub rate_limit: u64,

    /// What may be asked for without a token from one address (of IPv6 a /64) in a minute: introspection by what it
    /// takes, a token that is refused 10000, anything else 10 at least. 0 for no limit; the demo has none
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_PEER_RATE_LIMIT", default_value_t = 5_000_000, value_parser = rate)]
    pub peer_rate_limit: u64,

    /// What all operations at work, and answers that have not left yet, may cost together. An account, or an
    /// address without a token, has a quarter of it; what is more waits, and is refused when it has waited for as
    /// long as an operation may take
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_MAX_WORK", default_value_t = 400_000, value_parser = value_parser!(u32).range(1_000..=100_000_000))]
    pub max_work: u32,

    /// The most queries, and the most mutations, of one account that are executed at a time; others wait
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ACCOUNT_OPERATIONS", default_value_t = 16, value_parser = value_parser!(u32).range(1..=10_000))]
    pub max_account_operations: u32,

    /// From how many seconds on a query or a mutation is logged as a slow one
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_SLOW_REQUEST", default_value = "1", value_parser = seconds)]
    pub slow_request: Duration,

    /// A JSON file with the only documents that are executed, by their ids: as graphql-codegen and Relay write
    /// it, or Apollo's manifest. A request then names its document by `documentId`, or by the hash in
    /// `extensions.persistedQuery`; nothing else is executed, introspection neither
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_TRUSTED_DOCUMENTS")]
    pub trusted_documents: Option<PathBuf>,

    /// Keep no documents that clients send with their hash, to name them by it afterwards (automatic persisted
    /// queries); they are told that it isn't supported
    #[arg(long, env = "PACKWRIGHT_NO_PERSISTED_QUERIES", value_parser = BoolishValueParser::new())]
    pub no_persisted_queries: bool,

    /// How many bytes of documents, and of what was found out about them, are kept in memory
    #[arg(long, value_name = "BYTES", env = "PACKWRIGHT_DOCUMENT_CACHE", default_value_t = 32 * 1024 * 1024, value_parser = value_parser!(u64).range(1024 * 1024..))]
    pub document_cache: u64,
}

impl LimitArgs {
    /// Whether the limits go together.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.max_depth > self.max_nesting.into() {
            return Err(format!(
                "A field within {depth} others is nested as deep: raise --max-nesting (PACKWRIGHT_MAX_NESTING) to \
                 {depth} or more, or lower --max-depth (PACKWRIGHT_MAX_DEPTH).",
                depth = self.max_depth
            ));
        }
        Ok(())
    }

    /// The resolved settings: names and values.
    #[must_use]
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let seconds = |duration: Duration| duration.as_secs_f64().to_string();
        vec![
            ("max-tokens", self.max_tokens.to_string()),
            ("max-nesting", self.max_nesting.to_string()),
            ("max-selections", self.max_selections.to_string()),
            ("max-depth", self.max_depth.to_string()),
            ("max-cost", self.max_cost.to_string()),
            ("max-root-mutations", self.max_root_mutations.to_string()),
            ("max-aliases", self.max_aliases.to_string()),
            ("execution-timeout", seconds(self.execution_timeout)),
            ("statement-timeout", seconds(self.statement_timeout)),
            ("max-errors", self.max_errors.to_string()),
            ("max-message", self.max_message.to_string()),
            ("rate-limit", self.rate_limit.to_string()),
            ("peer-rate-limit", self.peer_rate_limit.to_string()),
            ("max-work", self.max_work.to_string()),
            ("max-account-operations", self.max_account_operations.to_string()),
            ("slow-request", seconds(self.slow_request)),
            (
                "trusted-documents",
                self.trusted_documents.as_deref().map_or_else(String::new, |file| file.display().to_string()),
            ),
            ("no-persisted-queries", self.no_persisted_queries.to_string()),
            ("document-cache", self.document_cache.to_string()),
        ]
    }
}

/// What a token's requests may cost in a minute. With less than ten of the cheapest requests no client works.
fn rate(text: &str) -> Result<u64, String> {
    let rate = text.parse().ok().filter(|rate| *rate == 0 || (100..=1_000_000_000_000_000).contains(rate));
    rate.ok_or_else(|| "write 0 for no limit, or a cost of 100 or more, such as 10000000".to_owned())
}
