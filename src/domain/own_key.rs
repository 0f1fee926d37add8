//! Own keys: names that a publisher or a managed account gives to its objects, so that scripts can look them up (R67).

/// The most characters of a key.
pub const KEY_MAX: usize = 128;

/// The message of the refusal of a malformed key.
pub(in crate::domain) const KEY_INVALID: &str =
    "Give a key of 1 to 128 characters of A-Z a-z 0-9 . _ - / : without blanks, or null for no key.";

/// A key. Its text counts as it is: case matters, and nothing is trimmed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnKey(String);

/// The fault of a text that can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey;

impl OwnKey {
    /// Checks a caller's text.
    ///
    /// # Errors
    /// [`MalformedKey`] unless it has 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`.
    pub fn parse(raw: &str) -> Result<Self, MalformedKey> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':');
        let sized = (1..=KEY_MAX).contains(&raw.len());
        if sized && raw.bytes().all(fits) { Ok(Self(raw.to_owned())) } else { Err(MalformedKey) }
    }

    /// The key as it is stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the key that a call gives, if it gives one.
///
/// # Errors
/// [`MalformedKey`].
pub fn checked_key(raw: Option<&str>) -> Result<Option<String>, MalformedKey> {
    Ok(raw.map(OwnKey::parse).transpose()?.map(|key| key.0))
}
