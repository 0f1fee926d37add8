//! The limits of a single request and of a token's requests.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::numbers::number;
use super::transport::seconds;

/// The limits of requests. The error for a request over a limit contains the limit and the request's value.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits of requests")]
pub struct LimitArgs {
    /// How many tokens a GraphQL document may have. Names, values and punctuation marks are tokens
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_TOKENS", default_value_t = 2_000, value_parser = number::<u32>(100..=1_000_000, 2_000))]
    pub max_tokens: u32,

    /// How many levels of braces, brackets and parentheses may be open within each other in a document
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_NESTING", default_value_t = 64, value_parser = number::<u16>(5..=256, 64))]
    pub max_nesting: u16,

    /// How many fields and fragments an operation may select. A fragment counts each time that it is used
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_SELECTIONS", default_value_t = 5_000, value_parser = number::<u64>(50..=1_000_000, 5_000))]
    pub max_selections: u64,

    /// How many levels of fields an operation may have. The introspection query of the usual tools has 15
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_DEPTH", default_value_t = 15, value_parser = number::<u64>(5..=256, 15))]
    pub max_depth: u64,

    /// How much one operation may cost. A field costs 1, and 2 in an item of a page; everything in a page is
    /// multiplied by the size of the page, and in any other list by 20. Searches, totals and long texts cost more
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_MAX_COST", default_value_t = 40_000, value_parser = number::<u64>(100..=u64::MAX, 40_000))]
    pub max_cost: u64,

    /// How many mutations one operation may call
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ROOT_MUTATIONS", default_value_t = 10, value_parser = number::<u64>(1..=1_000, 10))]
    pub max_root_mutations: u64,

    /// How many fields of one selection may have an alias
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ALIASES", default_value_t = 50, value_parser = number::<u64>(0..=10_000, 50))]
    pub max_aliases: u64,

    /// How many seconds a query or a mutation may take. After that it is answered with the error TIMEOUT, and what it
    /// hasn't committed is undone
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_EXECUTION_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub execution_timeout: Duration,

    /// How many seconds one SQL statement may take, in requests and in the scheduler
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_STATEMENT_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub statement_timeout: Duration,

    /// How many errors an answer lists. `extensions.errorsLeftOut` says how many more there were
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ERRORS", default_value_t = 20, value_parser = number::<u8>(1..=100, 20))]
    pub max_errors: u8,

    /// How many characters the message of an error may have. Longer ones are cut
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_MESSAGE", default_value_t = 300, value_parser = number::<u16>(100..=1_000, 300))]
    pub max_message: u16,

    /// How much the requests of one token may cost in a minute; a request costs at least 10. A request beyond that is
    /// answered with status 429. 0 means no limit; the demo has none
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_RATE_LIMIT", default_value_t = 10_000_000, value_parser = rate)]
    pub rate_limit: u64,

    /// How much the requests from one address may cost in a minute, if they come without a token or with a token that
    /// is refused. All addresses of an IPv6 /64 network count as one. Introspection costs what it takes, a refused
    /// token costs 10000, and any other request costs at least 10. A request beyond that is answered with status 429. 0
    /// means no limit; the demo has none
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_PEER_RATE_LIMIT", default_value_t = 5_000_000, value_parser = rate)]
    pub peer_rate_limit: u64,

    /// How much the operations that are executed at a time may cost together. An answer counts until the client has
    /// taken it. One account, or one address without a token, may use a quarter of it. A further operation waits. If it
    /// has waited for as long as --execution-timeout, it is refused
    #[arg(long, value_name = "COST", env = "PACKWRIGHT_MAX_WORK", default_value_t = 400_000, value_parser = number::<u32>(1_000..=100_000_000, 400_000))]
    pub max_work: u32,

    /// How many queries of one account are executed at a time, and how many mutations. Further ones wait
    #[arg(long, value_name = "N", env = "PACKWRIGHT_MAX_ACCOUNT_OPERATIONS", default_value_t = 16, value_parser = number::<u32>(1..=10_000, 16))]
    pub max_account_operations: u32,

    /// A query or a mutation that takes this many seconds or more is logged as slow
    #[arg(long, value_name = "SECONDS", env = "PACKWRIGHT_SLOW_REQUEST", default_value = "1", value_parser = seconds)]
    pub slow_request: Duration,

    /// A JSON file with the only documents that this server executes, by their ids: the file that graphql-codegen or
    /// Relay writes, or Apollo's manifest. Clients then send the id of a document as `documentId`, or its hash in
    /// `extensions.persistedQuery`. All other documents are refused, introspection too
    #[arg(long, value_name = "FILE", env = "PACKWRIGHT_TRUSTED_DOCUMENTS")]
    pub trusted_documents: Option<PathBuf>,

    /// Refuse automatic persisted queries: a client that sends the hash of a document instead gets the error that this
    /// isn't supported
    #[arg(long, env = "PACKWRIGHT_NO_PERSISTED_QUERIES", value_parser = BoolishValueParser::new())]
    pub no_persisted_queries: bool,

    /// How many bytes of memory the server uses to remember documents that it has already checked
    #[arg(long, value_name = "BYTES", env = "PACKWRIGHT_DOCUMENT_CACHE", default_value_t = 32 * 1024 * 1024, value_parser = number::<u64>(1024 * 1024..=u64::MAX, 32 * 1024 * 1024))]
    pub document_cache: u64,
}

impl LimitArgs {
    /// Checks that the limits go together.
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

    /// The settings in force: names and values.
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

/// Parses a rate limit in cost per minute; 0 means none. Below 100 a client couldn't even send ten of the cheapest
/// requests.
fn rate(text: &str) -> Result<u64, String> {
    let rate = text.parse().ok().filter(|rate| *rate == 0 || (100..=1_000_000_000_000_000).contains(rate));
    rate.ok_or_else(|| "write 0 for no limit, or a cost of 100 or more, such as 10000000".to_owned())
}
