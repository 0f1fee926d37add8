//! The process library.

pub(crate) mod basics;
pub(crate) mod library_copies;
pub(crate) mod library_costs;
