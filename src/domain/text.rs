//! Checks of names and texts. Lengths count Unicode scalar values after NFC. A text that is too long is refused, never
//! cut.

use caseless::Caseless as _;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization as _;

/// The most characters of a pack's, group's, account's, component's or installation's name (R10).
pub const NAME_MAX: usize = 255;
/// The most characters of a pack's description (R10).
pub const DESCRIPTION_MAX: usize = 500;
/// The most characters of release notes (R33).
pub const RELEASE_NOTES_MAX: usize = 20_000;
/// The most characters of a package's notes.
pub const PACKAGE_NOTES_MAX: usize = 4_000;
/// The most characters of a guide that is given as text.
pub const GUIDE_MAX: usize = 20_000;
/// The most characters of a web address.
pub const ADDRESS_MAX: usize = 2_000;
/// The most characters of a version label (R6).
pub const VERSION_LABEL_MAX: usize = 64;
/// The most characters of a `clientRequestId`.
pub const CLIENT_REQUEST_ID_MAX: usize = 64;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// U+0000, or in a name a character that [`fits_a_line`] excludes. This is bad input, not a refusal by a rule.
    ControlCharacter,
    /// The text has no visible character.
    Empty,
    /// Longer than allowed.
    TooLong,
}

/// A name: in NFC, trimmed, 1 to 255 characters, at least one of them visible, none that [`fits_a_line`] excludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks and normalizes a caller's text.
    ///
    /// # Errors
    /// The first fault in the order unfit character, empty, too long.
    pub fn parse(raw: &str) -> Result<Self, TextFault> {
        label(raw, NAME_MAX).map(Self)
    }

    /// The name as it is displayed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stored [`key`] for uniqueness, order and cursors.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// Checks and normalizes a text of one line: NFC, trimmed, 1 to `max` characters, at least one of them visible, none
/// that [`fits_a_line`] excludes.
///
/// # Errors
/// The first fault in the order unfit character, empty, too long.
pub fn label(raw: &str, max: usize) -> Result<String, TextFault> {
    if !fits_a_line(raw) {
        return Err(TextFault::ControlCharacter);
    }
    let text = raw.trim().nfc().collect::<String>();
    let text = text.trim().to_owned();
    if !text.chars().any(is_visible) {
        return Err(TextFault::Empty);
    }
    within(text, max)
}

/// Whether a text has no character that names and labels exclude: control characters, bidirectional controls, line and
/// paragraph separators, noncharacters. The joiners that emoji and Persian need are allowed.
#[must_use]
pub fn fits_a_line(text: &str) -> bool {
    text.chars().all(char_fits_a_line)
}

/// Whether [`fits_a_line`] allows this character.
#[must_use]
pub fn char_fits_a_line(c: char) -> bool {
    let (bidi, none) = (CodePointSetData::new::<BidiControl>(), CodePointSetData::new::<NoncharacterCodePoint>());
    !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || bidi.contains(c) || none.contains(c))
}

/// Whether a character is visible by itself. A combining mark isn't. The blank Braille pattern and the object
/// replacement character have the category of symbols, but no shape.
#[must_use]
pub fn is_visible(c: char) -> bool {
    use GeneralCategory as G;
    let blank = matches!(c, '\u{2800}' | '\u{fffc}') || is_ignorable(c);
    !blank
        && !matches!(
            CodePointMapData::<GeneralCategory>::new().get(c),
            G::SpaceSeparator
                | G::LineSeparator
                | G::ParagraphSeparator
                | G::Control
                | G::Format
                | G::NonspacingMark
                | G::EnclosingMark
        )
}

/// Whether Unicode lists a character as default-ignorable: it has no shape of its own.
fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Checks and normalizes a text of several lines: NFC, at most `max` characters, no U+0000. It may be empty.
pub fn prose(raw: &str, max: usize) -> Result<String, TextFault> {
    if raw.contains('\0') {
        return Err(TextFault::ControlCharacter);
    }
    within(raw.nfc().collect(), max)
}

fn within(text: String, max: usize) -> Result<String, TextFault> {
    if text.chars().count() > max { Err(TextFault::TooLong) } else { Ok(text) }
}

/// The key under which a name is stored and must be unique. Names that differ only in case or in invisible characters
/// have the same key (R10). The steps are NFC, Unicode's default case folding, and NFC again, because folding
/// decomposes characters. The server computes it, not the database, so that SQLite and PostgreSQL agree.
#[must_use]
pub fn key(name: &str) -> String {
    label_key(name).chars().default_case_fold().nfc().collect()
}

/// The key under which a version label is stored. Labels that differ only in invisible characters have the same key;
/// case counts (R6).
#[must_use]
pub fn label_key(label: &str) -> String {
    let visible: String = label.chars().filter(|c| !is_ignorable(*c)).nfc().collect();
    visible.trim().to_owned()
}

/// Checks and normalizes a web address: absolute, `https:` or `http:`, with a host and without a user. The result is
/// spelled as browsers spell it, so that a reader sees which host it leads to.
///
/// # Errors
/// [`TextFault::TooLong`] past 2,000 characters, [`TextFault::ControlCharacter`], or [`TextFault::Empty`] when the text
/// isn't such an address.
pub fn address(raw: &str) -> Result<String, TextFault> {
    if raw.chars().any(char::is_control) {
        return Err(TextFault::ControlCharacter);
    }
    let text = within(raw.trim().to_owned(), ADDRESS_MAX)?;
    // The URL parser accepts forms that people misread: `https:host`, `https:///host`, `https:\\host`.
    let unfit = |c: char| c.is_whitespace() || matches!(c, '\\' | '"' | '\'' | '`' | '<' | '>');
    let after_scheme = text.split_once("://").map(|(_, rest)| rest);
    let plain = after_scheme.is_some_and(|rest| !rest.starts_with('/')) && !text.contains(unfit);
    let url = url::Url::parse(&text).ok().filter(|_| plain).ok_or(TextFault::Empty)?;
    let of_the_web = matches!(url.scheme(), "http" | "https") && super::host::has_host(&url);
    let names_a_user = authority(&text).contains('@');
    if !of_the_web || names_a_user {
        return Err(TextFault::Empty);
    }
    let written = url.to_string();
    // The parser adds a slash to a host without a path. Keep the caller's form.
    if written.strip_suffix('/') == Some(&text) { Ok(text) } else { within(written, ADDRESS_MAX) }
}

/// The part of an address between the scheme and the path: user, host and port.
fn authority(address: &str) -> &str {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
