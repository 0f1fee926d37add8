//! Retries of deliveries: the next step of an endpoint after an attempt (R63).

use chrono::Duration;

use crate::domain::Instant;
use crate::domain::webhooks::{DisabledReason, WebhookFailure};

/// The pauses after the failed attempts of an event, in seconds. When the attempt after the last pause fails, too, and
/// the event has been tried for as long as these pauses last, the endpoint is disabled.
const PAUSES: [i64; 12] =
    [5, 30, 2 * 60, 10 * 60, 30 * 60, 3_600, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600];
/// By which part of itself a pause varies at random, in each direction.
const JITTER: f64 = 0.2;
/// The longest pause that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::hours(24);
/// The longest pause before a next attempt: the longest one of the rule, and a fifth more.
const PAUSE_MAX: Duration = Duration::seconds(24 * 3_600 * 6 / 5);
/// The HTTP status with which a receiver asks for no further events, for good.
const GONE: u16 = 410;

/// The result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why the attempt failed; `None` when it succeeded.
    pub failure: Option<WebhookFailure>,
    /// When the receiver asked for the next attempt.
    pub retry_after: Option<RetryAfter>,
}

/// The value of a `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    In(Duration),
    At(Instant),
}

impl RetryAfter {
    /// Reads seconds, or a date as HTTP writes it. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::In(text.parse().ok().and_then(Duration::try_seconds).unwrap_or(RETRY_AFTER_MAX)));
        }
        let date = chrono::NaiveDateTime::parse_from_str(text, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
        Some(Self::At(date.and_utc()))
    }

    fn pause(self, now: Instant) -> Duration {
        let pause = match self {
            Self::In(pause) => pause,
            Self::At(at) => at - now,
        };
        pause.clamp(Duration::seconds(1), RETRY_AFTER_MAX)
    }
}

/// The next step of an endpoint after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The receiver accepted the event: the endpoint goes on with the next one.
    GoOn,
    /// The same event is tried again at this time.
    TryAgain(Instant),
    /// The endpoint is disabled.
    Disable(DisabledReason),
}

/// Decides the next step after attempt number `attempt` (1, 2, 3 …) of an event, whose first attempt failed at `since`.
/// `dice` is a random number from -1 to 1.
///
/// A receiver may ask for shorter pauses, so that the last attempt fails before the pauses of the list have passed. An
/// outage of seconds must not disable the endpoint: further attempts follow, with the pauses that the event has at its
/// age.
#[must_use]
pub fn after_attempt(attempted: Attempted, attempt: u32, since: Instant, now: Instant, dice: f64) -> Next {
    if attempted.failure.is_none() {
        return Next::GoOn;
    }
    if attempted.status == Some(GONE) {
        return Next::Disable(DisabledReason::Gone);
    }
    let asked = attempted.retry_after.map(|asked| asked.pause(now));
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    if let Some(seconds) = PAUSES.get(index) {
        return Next::TryAgain(now + asked.unwrap_or_else(|| varied(*seconds, dice)));
    }
    match pause_at_age(now - since) {
        Some(seconds) => Next::TryAgain(now + varied(seconds, dice).max(asked.unwrap_or_default())),
        None => Next::Disable(DisabledReason::AttemptsExhausted),
    }
}

/// Whether an event, whose first attempt failed at `since`, still waits for the next attempt at `at`. An event whose
/// times were decided while the clock was ahead doesn't wait: the wait could take days.
#[must_use]
pub fn rests(since: Option<Instant>, at: Instant, now: Instant) -> bool {
    since.is_none_or(|since| since <= now) && now < at && at - now <= PAUSE_MAX
}

/// The pause of the list into which this age of an event falls, if each pause is as short as it may be. `None` if all
/// pauses have passed.
fn pause_at_age(age: Duration) -> Option<i64> {
    let mut end = Duration::zero();
    PAUSES.into_iter().find(|seconds| {
        end += varied(*seconds, -1.0);
        age < end
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "at most a day, in milliseconds")]
fn varied(seconds: i64, dice: f64) -> Duration {
    let factor = dice.clamp(-1.0, 1.0).mul_add(JITTER, 1.0);
    Duration::milliseconds((seconds as f64 * 1_000.0 * factor) as i64)
}
