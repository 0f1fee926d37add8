//! Objections: why the gate refuses a request.

/// The most characters of a message. Messages may quote a client's text, and are cached.
const MESSAGE_MAX: usize = 1_000;

/// The kind of an objection, which clients get as `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The text isn't GraphQL.
    ParseFailed,
    /// The text is GraphQL, but not a valid request to this schema.
    ValidationFailed,
    /// The document is valid, but something sent with it isn't.
    BadUserInput,
    /// The client names a stored document that this server doesn't have, or has no longer.
    PersistedQueryNotFound,
    /// This server has no stored documents.
    PersistedQueryNotSupported,
    /// This server executes only trusted documents.
    PersistedQueryRequired,
}

impl Code {
    /// The code as clients get it.
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

/// A position in a document. Both numbers begin at 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    pub line: usize,
    pub column: usize,
}

/// Converts byte offsets to lines and columns. Each search continues from the last offset, so that ascending offsets
/// take one walk through the text.
pub(super) struct Locator<'a> {
    text: &'a str,
    at: usize,
    here: Location,
}

impl<'a> Locator<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0, here: Location { line: 1, column: 1 } }
    }

    /// The line and column at a byte offset. Line ends are those of the GraphQL specification.
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

/// One reason why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    pub code: Code,
    pub message: String,
    pub location: Option<Location>,
    /// The limit, and the requested amount.
    pub bound: Option<(u64, u64)>,
}

impl Objection {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = shortened(message.into(), MESSAGE_MAX);
        // The message is cached, and `shortened` may have cut it from a very long one.
        message.shrink_to_fit();
        Self { code, message, location: None, bound: None }
    }

    /// An objection to a text that isn't GraphQL.
    pub(super) fn parse(message: impl Into<String>) -> Self {
        Self::new(Code::ParseFailed, message)
    }

    /// An objection to a document that isn't valid for the schema.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(Code::ValidationFailed, message)
    }

    /// The same objection, at a position of the document.
    pub(super) fn at(self, location: Option<Location>) -> Self {
        Self { location, ..self }
    }

    /// The same objection, with the limit and the requested amount.
    pub(super) fn bounded(self, limit: u64, requested: u64) -> Self {
        Self { bound: Some((limit, requested)), ..self }
    }
}

/// Cuts a message to at most `most` characters.
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
