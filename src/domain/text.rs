//! Names and texts: characters are Unicode scalar values after NFC; too long is refused, never cut.

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
    /// U+0000, or in a name any control character: bad input, not a refusal by a rule.
    ControlCharacter,
    /// Nothing is left after trimming.
    Empty,
    /// Longer than allowed.
    TooLong,
}

/// A name: NFC, trimmed, 1 to 255 characters, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Takes what a caller wrote.
    ///
    /// # Errors
    /// [`TextFault`], in the order control character, empty, too long.
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

/// Any one-line text: NFC, trimmed, 1 to `max` characters, no control characters.
///
/// # Errors
/// [`TextFault`], in the order control character, empty, too long.
pub fn label(raw: &str, max: usize) -> Result<String, TextFault> {
    if raw.chars().any(char::is_control) {
        return Err(TextFault::ControlCharacter);
    }
    let text = raw.trim().nfc().collect::<String>();
    let text = text.trim().to_owned();
    if text.is_empty() {
        return Err(TextFault::Empty);
    }
    within(text, max)
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

/// The stored key of a name: the same for names that differ by case alone. Made here and not by a
/// database, so that both databases agree.
#[must_use]
pub fn key(name: &str) -> String {
    name.trim().nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// An absolute `https:` or `http:` address.
///
/// # Errors
/// [`TextFault::TooLong`] past 2,000 characters, else [`TextFault::Empty`] for what is no address.
pub fn address(raw: &str) -> Result<String, TextFault> {
    if raw.chars().any(char::is_control) {
        return Err(TextFault::ControlCharacter);
    }
    let text = within(raw.trim().to_owned(), ADDRESS_MAX)?;
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err(TextFault::Empty),
    }
}
