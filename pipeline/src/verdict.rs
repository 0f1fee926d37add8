//! Decides whether a wait for a release is over.

use serde::Serialize;

/// The facts about a release that decide a wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// The name of the state in the schema. A server may have states that this program doesn't know.
    pub state: String,
    pub has_ended: bool,
    /// Whether its halt rule has stopped it.
    pub is_halted: bool,
    pub total: i64,
    pub failed: i64,
    /// The number of updates that are still to be made. It is 0 in a retry, whose updates count as failed until they
    /// are made.
    pub offered: i64,
}

/// The result for which a command waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    Released,
    RolledBack,
}

/// The decision about a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    GoesOn,
    Reached,
    /// The release has ended in another way.
    Missed,
    /// More installations have failed than are allowed.
    TooManyFailed,
    /// The halt rule has paused the release.
    Halted,
}

/// The part of the installations that may fail in a release that counts as successful.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaxFailed {
    hundredths: u32,
}

impl MaxFailed {
    /// Parses a percentage with at most two decimals, such as `0.5%`.
    ///
    /// # Errors
    /// A sentence that says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "write a percentage of 0 to 100 with at most two decimals, such as 0.5%".to_owned();
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(decimals, 2) {
            return Err(wrong());
        }
        let hundredths: u32 = format!("{whole}{decimals:0<2}").parse().map_err(|_| wrong())?;
        if hundredths > 10_000 { Err(wrong()) } else { Ok(Self { hundredths }) }
    }

    /// Whether `failed` of `total` installations may fail.
    #[must_use]
    pub fn allows(self, failed: i64, total: i64) -> bool {
        i128::from(failed) * 10_000 <= i128::from(total) * i128::from(self.hundredths)
    }
}

/// Decides whether a wait is over.
#[must_use]
pub fn judge(course: &Course, goal: Goal, max_failed: MaxFailed) -> Verdict {
    let has_failed = !max_failed.allows(course.failed, course.total);
    match (goal, course.state.as_str()) {
        (Goal::RolledBack, "ROLLED_BACK") => Verdict::Reached,
        (Goal::RolledBack, _) if course.has_ended && course.state != "ROLLING_BACK" => Verdict::Missed,
        (Goal::RolledBack, _) => Verdict::GoesOn,
        (Goal::Released, "SUCCEEDED") => Verdict::Reached,
        // Such an end without a failed update means that the rollout was given up, which is no success.
        (Goal::Released, "PARTIALLY_SUCCEEDED" | "FAILED") if course.failed == 0 => Verdict::Missed,
        (Goal::Released, "PARTIALLY_SUCCEEDED" | "FAILED") if has_failed => Verdict::TooManyFailed,
        (Goal::Released, "PARTIALLY_SUCCEEDED" | "FAILED") => Verdict::Reached,
        (Goal::Released, "CANCELED" | "SUPERSEDED" | "ROLLING_BACK" | "ROLLED_BACK") => Verdict::Missed,
        (Goal::Released, _) if course.is_halted => Verdict::Halted,
        // A rollout doesn't retry failed updates, so the limit stays passed. In a retry nothing is offered.
        (Goal::Released, "IN_PROGRESS") if has_failed && course.offered > 0 => Verdict::TooManyFailed,
        (Goal::Released, _) if course.has_ended => Verdict::Missed,
        (Goal::Released, _) => Verdict::GoesOn,
    }
}
