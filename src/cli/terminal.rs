//! Escapes stored text before it is printed. Control characters in a name or an error must neither control the terminal
//! nor imitate further lines.

use std::fmt::Write as _;

use serde_json::Value;

use crate::domain::text::char_fits_a_line;

/// A line with control characters escaped as `\u{1b}`, and a line break.
#[must_use]
pub fn line(text: &str) -> String {
    escaped(text, |c| !char_fits_a_line(c)) + "\n"
}

/// The same for a text of several lines, whose line breaks stay.
#[must_use]
pub fn lines(text: &str) -> String {
    escaped(text, |c| c != '\n' && !char_fits_a_line(c))
}

fn escaped(text: &str, is_unfit: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if is_unfit(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Formats JSON over several lines. Control characters in strings are escaped as `\u001b`, including those that JSON
/// allows unescaped.
#[must_use]
pub fn json(value: &Value) -> String {
    let mut shown = String::new();
    for c in format!("{value:#}").chars() {
        if c == '\n' || char_fits_a_line(c) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string never fails.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown + "\n"
}
