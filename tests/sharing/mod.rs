//! Account groups, and sharing with them.

pub(crate) mod accounts_together;
pub(crate) mod basics;
pub(crate) mod groups;
pub(crate) mod other_sides;
