//! W3C Trace Context: the headers by which programs pass on the trace that their work belongs to.

use std::fmt::{Display, Formatter, Result as Written};
use std::sync::Arc;

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// The most bytes of a `tracestate` that are passed on, and the most members.
const STATE_MAX: usize = 512;
const MEMBERS_MAX: usize = 32;

/// A span of some program, as `traceparent` and `tracestate` name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) is_sampled: bool,
    pub(super) state: Option<Arc<str>>,
}

impl Context {
    /// The context in a `traceparent`; `None` if that is invalid. An invalid `tracestate` is left out.
    #[must_use]
    pub fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        let parent = parent.trim_matches([' ', '\t']);
        let (version, trace) = (hex(parent.get(..2)?)?, hex(parent.get(3..35)?)?);
        let (span, flags) = (hex(parent.get(36..52)?)?, hex(parent.get(53..LENGTH)?)?);
        let bytes = parent.as_bytes();
        let has_dashes = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
        // Later versions may add parts after another dash.
        let fits = match version {
            0 => parent.len() == LENGTH,
            0xff => false,
            _ => bytes.get(LENGTH).is_none_or(|next| *next == b'-'),
        };
        let span = u64::try_from(span).ok()?;
        let is_valid = has_dashes && fits && trace != 0 && span != 0;
        is_valid.then(|| Self {
            trace,
            span,
            is_sampled: flags & 1 == 1,
            state: state.and_then(valid_state).map(Arc::from),
        })
    }

    /// Whether the trace is recorded, as far as its last program knows.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.is_sampled
    }

    /// The `tracestate`, which programs pass on.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// The text of a `traceparent`.
impl Display for Context {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// A number in lower-case hexadecimal digits.
fn hex(text: &str) -> Option<u128> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.bytes().all(is_digit).then(|| u128::from_str_radix(text, 16).ok())?
}

fn valid_state(text: &str) -> Option<&str> {
    let text = text.trim_matches([' ', '\t', ',']);
    let is_member =
        |member: &str| member.trim().is_empty() || member.split_once('=').is_some_and(|(key, _)| is_key(key.trim()));
    let is_valid = (1..=STATE_MAX).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t'))
        && text.split(',').count() <= MEMBERS_MAX
        && text.split(',').all(is_member);
    is_valid.then_some(text)
}

fn is_key(key: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    (1..=256).contains(&key.len()) && key.bytes().all(is_allowed)
}
