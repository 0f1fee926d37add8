//! How stored text is printed. A terminal obeys control characters: a name or an error that holds some must neither
//! move its cursor nor pass for a line of its own.

use std::fmt::Write as _;

use serde_json::Value;

use crate::domain::text::char_fits_a_line;

/// A line in which such characters stand as `\u{1b}`, and its end.
#[must_use]
pub fn line(text: &str) -> String {
    escaped(text, |c| !char_fits_a_line(c)) + "\n"
}

/// The same for a text of several lines.
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

/// JSON in several lines. In its strings such characters stand as `\u001b`, those too that JSON would let pass.
#[must_use]
pub fn json(value: &Value) -> String {
    let mut shown = String::new();
    for c in format!("{value:#}").chars() {
        if c == '\n' || char_fits_a_line(c) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Nothing fails that writes to a string.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown + "\n"
}
