//! Installing, applying early, catching up, and how versions spread.

pub(crate) mod adoption;
pub(crate) mod applying;
pub(crate) mod catching_up;
pub(crate) mod installing;
pub(crate) mod outcomes;
pub(crate) mod update_decisions;
