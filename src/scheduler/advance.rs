//! Moves a clock as if the time had passed with the server running.

use crate::clock::Clock;
use crate::domain::Instant;
use crate::service::error::Failure;

use super::Scheduler;

/// How often the scheduler may say that something is due without the clock's getting on: far more
/// than any work at one instant takes, and an end for work that never gets done.
const TURNS_MAX: u32 = 10_000;

/// Moves `clock` forward to `to`. It stops at each instant at which something is due and lets the
/// scheduler finish it, in order, so that nothing starts late (R39). A clock past `to` stays.
///
/// # Errors
/// The scheduler's [`Failure`]; the clock then stands where the work failed.
pub async fn advance(scheduler: &Scheduler, clock: &Clock, to: Instant) -> Result<(), Failure> {
    let mut turns = 0;
    loop {
        let due = scheduler.tick().await?.filter(|due| *due <= to);
        let now = clock.now();
        match due {
            None if now >= to => return Ok(()),
            None => clock.advance_to(to),
            Some(due) if due > now => {
                turns = 0;
                clock.advance_to(due);
            }
            // Due now, and in the hands of another task of this server: it takes a moment.
            Some(_) if turns < TURNS_MAX => {
                turns += 1;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            Some(due) => return Err(Failure::bug(format!("work that was due at {due} does not end"))),
        }
    }
}
