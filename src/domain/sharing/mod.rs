//! Sharing packs with groups of accounts.

mod refusal;

pub(crate) use refusal::SharingRefusal;
