//! Releases: dates and windows, rollouts and their obstacles.

pub(crate) mod alike;
pub(crate) mod batches;
pub(crate) mod canceling;
pub(crate) mod concurrency;
pub(crate) mod fairness;
pub(crate) mod first_releases;
pub(crate) mod freezing;
pub(crate) mod immediate_releases;
pub(crate) mod moved_windows;
pub(crate) mod pausing;
mod pausing_rollouts;
mod pending_releases;
pub(crate) mod release_conflicts;
pub(crate) mod release_dates;
pub(crate) mod release_decisions;
pub(crate) mod release_input;
pub(crate) mod release_log;
pub(crate) mod release_state_machine;
pub(crate) mod retrying;
pub(crate) mod rollout;
pub(crate) mod rollout_failing;
pub(crate) mod stuck;
pub(crate) mod testing_period;
pub(crate) mod time_zones;
pub(crate) mod time_zones_program;
pub(crate) mod windows;
