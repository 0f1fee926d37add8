//! Account groups, and sharing with them.

pub(crate) mod accounts_together;
pub(crate) mod actors;
pub(crate) mod basics;
pub(crate) mod groups;
