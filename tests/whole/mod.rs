//! What must hold for everything: after any story, for every mutation, in every text.

pub(crate) mod documented;
pub(crate) mod every_mutation;
pub(crate) mod filters;
pub(crate) mod instants;
pub(crate) mod invariants;
pub(crate) mod invariants_checks;
pub(crate) mod invariants_kept;
pub(crate) mod invariants_rows;
pub(crate) mod invariants_stages;
pub(crate) mod invariants_story;
pub(crate) mod pairs;
pub(crate) mod pairs_rows;
pub(crate) mod pairs_world;
pub(crate) mod repeating;
pub(crate) mod schema;
pub(crate) mod texts;
pub(crate) mod walk;
