//! Prints a document for the framework. Each token keeps its position, so that positions in the framework's errors are
//! correct for the client. Comments and descriptions become spaces, and strings get one plain form that all parsers
//! read alike.

use std::collections::HashMap;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::Node;
use apollo_compiler::ast::{Argument, DirectiveList, Value};
use apollo_compiler::executable::{Selection, SelectionSet};
use apollo_parser::{Lexer, TokenKind};

use super::literals::MINUS_ZERO;

/// The string values of a document, by the offset of their token.
type Texts<'a> = HashMap<usize, &'a str>;

/// Prints a valid document without keeping positions.
pub(super) fn print_compact(document: &ExecutableDocument) -> String {
    let mut document = document.clone();
    let operations = &mut document.operations;
    for operation in operations.anonymous.iter_mut().chain(operations.named.values_mut()) {
        let operation = operation.make_mut();
        operation.description = None;
        for variable in &mut operation.variables {
            variable.make_mut().description = None;
        }
    }
    for fragment in document.fragments.values_mut() {
        fragment.make_mut().description = None;
    }
    let mut printed = document.serialize().no_indent().to_string();
    if printed.contains(MINUS_ZERO) {
        let tokens = Lexer::new(&printed).flatten();
        let zero = |kind, data| if kind == TokenKind::Int && data == MINUS_ZERO { "0" } else { data };
        printed = tokens
            .filter(|token| token.kind() != TokenKind::Eof)
            .map(|token| zero(token.kind(), token.data()))
            .collect();
    }
    printed.shrink_to_fit();
    printed
}

/// Prints a valid document with each token at its position in `text`, the client's document.
pub(super) fn in_place(text: &str, document: &ExecutableDocument) -> String {
    let texts = texts(document);
    let mut printed = Printed { out: String::new(), at: TextPosition::START };
    let mut read = TextPosition::START;
    let mut before = TokenKind::Eof;
    for token in Lexer::new(text).flatten() {
        let value = texts.get(&token.index());
        match token.kind() {
            TokenKind::Eof | TokenKind::Whitespace | TokenKind::Comment | TokenKind::Comma => {}
            // A description: the only string that isn't a value.
            TokenKind::StringValue if value.is_none() => {}
            kind => {
                // The framework's parser accepts no whitespace within a type. In a list it makes no difference.
                let joined = before == TokenKind::LBracket || matches!(kind, TokenKind::RBracket | TokenKind::Bang);
                if !joined {
                    printed.go_to(read);
                }
                match value {
                    // The framework doesn't accept `-0` as an integer.
                    None if kind == TokenKind::Int && token.data() == MINUS_ZERO => printed.put("0"),
                    Some(value) => printed.text(value),
                    None => printed.put(token.data()),
                }
                before = kind;
            }
        }
        read.pass(token.data());
    }
    // The text is cached, and may be much shorter than the client's, which can consist mostly of comments.
    printed.out.shrink_to_fit();
    printed.out
}

/// A position in a text. Both numbers begin at 0.
#[derive(Clone, Copy)]
struct TextPosition {
    line: usize,
    column: usize,
}

impl TextPosition {
    const START: Self = Self { line: 0, column: 0 };

    fn pass(&mut self, text: &str) {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
                *self = Self { line: self.line + 1, column: 0 };
            } else if c != '\r' {
                self.column += 1;
            }
        }
    }
}

struct Printed {
    out: String,
    at: TextPosition,
}

impl Printed {
    /// Adds line ends and spaces up to the client's position of the next token. When an earlier token is longer in its
    /// plain form, the position is exceeded and one space must do.
    fn go_to(&mut self, target: TextPosition) {
        while self.at.line < target.line {
            self.out.push('\n');
            self.at = TextPosition { line: self.at.line + 1, column: 0 };
        }
        let missing = match target.column.checked_sub(self.at.column) {
            Some(missing) => missing,
            None => usize::from(!self.out.ends_with([' ', '\n'])),
        };
        self.out.extend(std::iter::repeat_n(' ', missing));
        self.at.column += missing;
    }

    /// Appends a text without line ends.
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.at.column += text.chars().count();
    }

    fn text(&mut self, value: &str) {
        self.put("\"");
        for c in value.chars() {
            match c {
                '"' => self.put("\\\""),
                '\\' => self.put("\\\\"),
                '\n' => self.put("\\n"),
                '\r' => self.put("\\r"),
                '\t' => self.put("\\t"),
                c if c.is_control() => self.put(&format!("\\u{:04x}", u32::from(c))),
                c => self.put(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.put("\"");
    }
}

fn texts(document: &ExecutableDocument) -> Texts<'_> {
    let mut texts = Texts::new();
    for operation in document.operations.iter() {
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                value(default, &mut texts);
            }
            directives(&variable.directives, &mut texts);
        }
        directives(&operation.directives, &mut texts);
        selection(&operation.selection_set, &mut texts);
    }
    for fragment in document.fragments.values() {
        directives(&fragment.directives, &mut texts);
        selection(&fragment.selection_set, &mut texts);
    }
    texts
}

fn selection<'a>(set: &'a SelectionSet, texts: &mut Texts<'a>) {
    for selected in &set.selections {
        directives(selected.directives(), texts);
        match selected {
            Selection::Field(field) => {
                arguments(&field.arguments, texts);
                if let Some(set) = &field.selection_set {
                    selection(set, texts);
                }
            }
            Selection::InlineFragment(inline) => selection(&inline.selection_set, texts),
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn directives<'a>(list: &'a DirectiveList, texts: &mut Texts<'a>) {
    list.iter().for_each(|directive| arguments(&directive.arguments, texts));
}

fn arguments<'a>(list: &'a [Node<Argument>], texts: &mut Texts<'a>) {
    list.iter().for_each(|argument| value(&argument.value, texts));
}

fn value<'a>(node: &'a Node<Value>, texts: &mut Texts<'a>) {
    match &**node {
        Value::String(text) => {
            if let Some(span) = node.location() {
                texts.insert(span.offset(), text);
            }
        }
        Value::List(items) => items.iter().for_each(|item| value(item, texts)),
        Value::Object(entries) => entries.iter().for_each(|(_, entry)| value(entry, texts)),
        _ => {}
    }
}
