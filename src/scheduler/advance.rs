//! Moves a clock forward as if the server had run all that time.

use crate::clock::Clock;
use crate::domain::Instant;
use crate::service::error::Failure;

use super::Scheduler;

/// How often in a row the scheduler may report due work at one instant. Real work needs far fewer turns; the limit
/// stops work that never ends.
const TURNS_MAX: u32 = 10_000;

/// Moves `clock` forward to `to`. It stops at each instant at which work is due and lets the scheduler finish the work,
/// so that no work starts late (R39). A clock that is past `to` isn't moved.
///
/// # Errors
/// The first [`Failure`] of the work. The clock then stays at the instant of this work.
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
            // Another task of this server is doing the work; wait for it.
            Some(_) if turns < TURNS_MAX => {
                turns += 1;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            Some(due) => return Err(Failure::bug(format!("work that was due at {due} does not end"))),
        }
    }
}
