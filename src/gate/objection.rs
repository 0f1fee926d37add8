//! Why a request may not be executed.

/// The longest message: it may quote what a client wrote, however long, and is kept.
const MESSAGE_MAX: usize = 1_000;

/// The kind of an objection: its `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The text is no GraphQL.
    ParseFailed,
    /// It is GraphQL, and not a request that this schema answers.
    ValidationFailed,
    /// The document is fine, and what came with it isn't.
    BadUserInput,
    /// A stored document is asked for that this server doesn't have (now).
    PersistedQueryNotFound,
    /// Stored documents are not served.
    PersistedQueryNotSupported,
    /// Only the documents that the server was started with are executed.
    PersistedQueryRequired,
}

impl Code {
    /// As clients are told it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::PersistedQueryRequired => "PERSISTED_QUERY_REQUIRED",
        }
    }
}

/// A place in a document, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    pub line: usize,
    pub column: usize,
}

/// Finds places in a text. It goes on from the last one, so that places that come in their order are found
/// in one walk, however long the text is.
pub(super) struct Places<'a> {
    text: &'a str,
    at: usize,
    here: Location,
}

impl<'a> Places<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0, here: Location { line: 1, column: 1 } }
    }

    /// The place after so many bytes as people count it. Lines end as the specification says.
    pub(super) fn locate(&mut self, offset: usize) -> Location {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        if end < self.at {
            *self = Self::of(self.text);
        }
        let between = &self.text[self.at..end];
        let returns = between.matches('\r').count() - between.matches("\r\n").count();
        self.here.line += between.matches('\n').count() + returns;
        match between.rfind(['\n', '\r']) {
            Some(last) => self.here.column = 1 + between[last + 1..].chars().count(),
            None => self.here.column += between.chars().count(),
        }
        self.at = end;
        self.here
    }
}

/// Why a request may not be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    pub code: Code,
    pub message: String,
    pub location: Option<Location>,
    /// A limit that was passed, and what was asked for.
    pub bound: Option<(u64, u64)>,
}

impl Objection {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = shortened(message.into(), MESSAGE_MAX);
        // It is kept, and may have been cut from a name as long as the whole document.
        message.shrink_to_fit();
        Self { code, message, location: None, bound: None }
    }

    pub(super) fn parse(message: impl Into<String>) -> Self {
        Self::new(Code::ParseFailed, message)
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(Code::ValidationFailed, message)
    }

    pub(super) fn at(self, location: Option<Location>) -> Self {
        Self { location, ..self }
    }

    pub(super) fn bounded(self, limit: u64, requested: u64) -> Self {
        Self { bound: Some((limit, requested)), ..self }
    }
}

/// A message of at most so many characters.
#[must_use]
pub fn shortened(mut message: String, most: usize) -> String {
    if let Some((end, _)) = message.char_indices().nth(most.saturating_sub(1))
        && message[end..].chars().nth(1).is_some()
    {
        message.truncate(end);
        message.push('…');
    }
    message
}
