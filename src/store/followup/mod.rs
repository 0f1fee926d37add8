//! Rows of follow-up tasks (R49).

pub mod numbers;
pub mod paused;
pub mod ranges;
pub mod read;
pub mod task_sets;
pub mod tasks;
pub mod turns;
pub mod work;

pub(in crate::store) use tasks::LONGEST_PAUSE;

pub(in crate::store) use tasks::is_moving;
