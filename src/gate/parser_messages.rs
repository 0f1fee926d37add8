//! Rewrites syntax errors for clients. The parser uses its internal token names (`R_CURLY`, `EOF`); clients know `}`
//! and the end of the document.

use apollo_parser::{Lexer, TokenKind};

/// The most characters of a token that a message quotes.
const QUOTED_MAX: usize = 40;

/// The client's message for a syntax error at `offset` of `text`. `message` is the parser's.
pub(super) fn syntax_error(message: &str, text: &str, offset: usize) -> String {
    let found = found(text, offset);
    match parse(message) {
        ParserMessage::Expected(what) => match found {
            Some(found) => format!("syntax error: expected {what}, found {found}"),
            None => format!("syntax error: expected {what}"),
        },
        ParserMessage::Sentence(sentence) => format!("syntax error: {sentence}"),
        // Unknown messages are never passed on: they may contain internal names.
        ParserMessage::Unknown => match found {
            Some(found) => format!("syntax error: something other than {found} is expected here"),
            None => "syntax error: something else is expected here".to_owned(),
        },
    }
}

/// Rewrites a validator's message that calls the schema "this document".
pub(super) fn validation_error(message: String) -> String {
    let is_of_schema = message.starts_with("cannot find type ") || message.starts_with("cannot find directive ");
    match message.strip_suffix(" in this document") {
        Some(short) if is_of_schema => format!("{short} in the schema"),
        _ => message,
    }
}

enum ParserMessage {
    /// The parser expected this instead of the token that it found.
    Expected(&'static str),
    Sentence(&'static str),
    Unknown,
}

/// The token at `offset`, as a client would call it; `None` when there is none.
fn found(text: &str, offset: usize) -> Option<String> {
    let mut tokens = Lexer::new(text.get(offset..)?);
    let ignored = |kind| matches!(kind, TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma);
    let token = tokens.find(|token| !token.as_ref().is_ok_and(|token| ignored(token.kind())))?.ok()?;
    Some(match token.kind() {
        TokenKind::Eof => "the end of the document".to_owned(),
        TokenKind::StringValue => "a text".to_owned(),
        _ => format!("`{}`", super::shortened(token.data().to_owned(), QUOTED_MAX)),
    })
}

fn parse(message: &str) -> ParserMessage {
    use ParserMessage::{Expected, Sentence, Unknown};
    // Matches `expected R_CURLY, got EOF`.
    if let Some(kind) = message.strip_prefix("expected ").and_then(|rest| Some(rest.split_once(", got ")?.0)) {
        return punctuator(kind).map_or(Unknown, Expected);
    }
    match message {
        "expected a Selection Set" | "expected Selection Set" => Expected("fields within `{` and `}`"),
        "expected the end of the field set" => Expected("`}`"),
        "expected a name" | "expected a Name" => Expected("a name"),
        "expected Fragment Name" => Expected("the name of a fragment"),
        "expected 'on'" | "expected Type Condition" => Expected("`on` and the name of a type"),
        "expected a Name in Type Condition" => Expected("the name of a type"),
        "expected an Inline Fragment or a Fragment Spread" => Expected("a fragment after `...`"),
        "expected a valid Value" => Expected("a value"),
        "expected Enum Value" => Expected("a value of an enum"),
        "expected a Type" | "expected a type" => Expected("a type"),
        "expected an Argument" => Expected("an argument, such as `first: 10`"),
        "expected a Variable Definition" => Expected("a variable and its type, such as `$id: ID!`"),
        "expected @ symbol" | "expected Directives" => Expected("a directive, such as `@include`"),
        "expected a definition"
        | "expected definition"
        | "expected a definition after this StringValue"
        | "expected a definition after this Name"
        | "expected a StringValue, Name or OperationDefinition"
        | "expected an Operation Type or a Selection Set"
        | "expected either a 'mutation', a 'query', or a 'subscription'" => Expected("an operation or a fragment"),
        "Unexpected <EOF>." => Sentence("the document is empty; it must have an operation"),
        "Fragment Name cannot be 'on'" => Sentence("a fragment can't have the name `on`"),
        "unexpected variable value in a Const context" => Sentence("a variable isn't allowed here; write a constant"),
        "invalid Enum Value" => Sentence("`true`, `false` and `null` are no values of an enum"),
        "Unterminated spread operator" => Sentence("two dots are no token; write `...`"),
        "unexpected line terminator" => {
            Sentence("a text between `\"` must end on its line; close it, or write it between `\"\"\"`")
        }
        "unterminated string value" | "unexpected end of data while lexing string value" => {
            Sentence("a text is not closed")
        }
        "unexpected escaped character" => {
            Sentence("after `\\` a text may have one of `\" \\ / b f n r t`, or `u` and a code")
        }
        "incomplete unicode escape sequence" | "invalid unicode escape sequence" => {
            Sentence("after `\\u` a text must have four hexadecimal digits, or some within `{` and `}`")
        }
        "unpaired surrogate in unicode escape sequence"
        | "unicode escape sequence must specify a Unicode scalar value" => Sentence("`\\u` must name a character"),
        "Numbers must not have non-significant leading zeroes" => Sentence("a number must not begin with zeros"),
        "Unexpected EOF in float value" => Sentence("a number is not complete"),
        _ if message.starts_with("Unexpected character ") => character(message),
        _ => Unknown,
    }
}

/// The lexer's messages about a character.
fn character(message: &str) -> ParserMessage {
    if ["suffix", "digit", "sign"].iter().any(|part| message.contains(part)) {
        return ParserMessage::Sentence("a number contains a character that no number can have");
    }
    ParserMessage::Sentence("no token begins with this character")
}

fn punctuator(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "BANG" => "`!`",
        "DOLLAR" => "`$`",
        "AMP" => "`&`",
        "SPREAD" => "`...`",
        "COMMA" => "`,`",
        "COLON" => "`:`",
        "EQ" => "`=`",
        "AT" => "`@`",
        "L_PAREN" => "`(`",
        "R_PAREN" => "`)`",
        "L_BRACK" => "`[`",
        "R_BRACK" => "`]`",
        "L_CURLY" => "`{`",
        "R_CURLY" => "`}`",
        "PIPE" => "`|`",
        "EOF" => "the end of the document",
        _ => return None,
    })
}
