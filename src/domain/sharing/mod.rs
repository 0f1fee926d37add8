//! Sharing packs with groups of accounts.

pub mod refusal;
