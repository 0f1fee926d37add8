//! Names and texts: characters are Unicode scalar values after NFC; too long is refused, never cut.

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
/// The most characters of a guide.
pub const GUIDE_MAX: usize = 20_000;
/// The most characters of an address.
pub const ADDRESS_MAX: usize = 2_000;
/// The most characters of a version label (R6).
pub const VERSION_LABEL_MAX: usize = 64;
/// The most characters of a `clientRequestId`.
pub const CLIENT_REQUEST_ID_MAX: usize = 64;

/// Why a text can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFault {
    /// U+0000, or in a name a character that no name may hold ([`fits_a_line`]): bad input, not a refusal by a rule.
    ControlCharacter,
    /// Nothing is left that can be seen.
    Empty,
    /// Longer than allowed.
    TooLong,
}

/// A name: NFC, trimmed, 1 to 255 characters, one of them visible, none that a line can't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Takes what a caller wrote.
    ///
    /// # Errors
    /// [`TextFault`], in the order unfit character, empty, too long.
    pub fn parse(raw: &str) -> Result<Self, TextFault> {
        label(raw, NAME_MAX).map(Self)
    }

    /// As it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is stored for uniqueness, order and cursors.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.0)
    }
}

/// Any one-line text: NFC, trimmed, 1 to `max` characters, one of them visible, none that a line can't hold.
///
/// # Errors
/// [`TextFault`], in the order unfit character, empty, too long.
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

/// Whether a text holds nothing that a name or label can't: no control characters, no bidirectional controls, no
/// separators of lines and paragraphs, no noncharacters. The joiners that emoji and Persian need are none of these.
#[must_use]
pub fn fits_a_line(text: &str) -> bool {
    let (bidi, none) = (CodePointSetData::new::<BidiControl>(), CodePointSetData::new::<NoncharacterCodePoint>());
    let unfit =
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || bidi.contains(c) || none.contains(c);
    !text.chars().any(unfit)
}

/// Whether a reader sees anything where this character stands alone. A mark needs another character to sit on; the
/// empty pattern of Braille and the object replacement character are symbols without a shape.
fn is_visible(c: char) -> bool {
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

/// Whether a character is one of Unicode's default-ignorable ones: it has no shape of its own.
fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// A text of several lines: NFC, at most `max` characters, no U+0000. May be empty.
///
/// # Errors
/// [`TextFault::ControlCharacter`] for U+0000, [`TextFault::TooLong`].
pub fn prose(raw: &str, max: usize) -> Result<String, TextFault> {
    if raw.contains('\0') {
        return Err(TextFault::ControlCharacter);
    }
    within(raw.nfc().collect(), max)
}

fn within(text: String, max: usize) -> Result<String, TextFault> {
    if text.chars().count() > max { Err(TextFault::TooLong) } else { Ok(text) }
}

/// The stored key of a name: the same for names that differ by case alone, or by characters that can't be seen
/// (R10). Unicode's default case folding after NFC, and NFC again, since folding takes characters apart. Made here
/// and not by a database, so that both databases agree.
#[must_use]
pub fn key(name: &str) -> String {
    label_key(name).chars().default_case_fold().nfc().collect()
}

/// The stored key of a version label: the same for labels that differ by characters that can't be seen. The case
/// counts (R6).
#[must_use]
pub fn label_key(label: &str) -> String {
    let seen: String = label.chars().filter(|c| !is_ignorable(*c)).nfc().collect();
    seen.trim().to_owned()
}

/// An absolute `https:` or `http:` address with a host and without a user, as a browser's parser writes it: what it
/// leads to can be seen in what is stored.
///
/// # Errors
/// [`TextFault::TooLong`] past 2,000 characters, else [`TextFault::Empty`] for what is no such address.
pub fn address(raw: &str) -> Result<String, TextFault> {
    if raw.chars().any(char::is_control) {
        return Err(TextFault::ControlCharacter);
    }
    let text = within(raw.trim().to_owned(), ADDRESS_MAX)?;
    // A parser takes more forms than people read alike: `https:host`, `https:///host`, `https:\\host`.
    let unfit = |c: char| c.is_whitespace() || matches!(c, '\\' | '"' | '\'' | '`' | '<' | '>');
    let after_scheme = text.split_once("://").map(|(_, rest)| rest);
    let plain = after_scheme.is_some_and(|rest| !rest.starts_with('/')) && !text.contains(unfit);
    let url = url::Url::parse(&text).ok().filter(|_| plain).ok_or(TextFault::Empty)?;
    let of_the_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let names_a_user = authority(&text).contains('@');
    if !of_the_web || names_a_user {
        return Err(TextFault::Empty);
    }
    let written = url.to_string();
    // A host alone gets a slash; it needs none.
    if written.strip_suffix('/') == Some(&text) { Ok(text) } else { within(written, ADDRESS_MAX) }
}

/// What stands in an address between the scheme and the path.
fn authority(address: &str) -> &str {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}
