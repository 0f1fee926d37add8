//! Clicks that race: two calls at the same time on two servers, many times. Whichever is first, both end like one after
//! the other. `tests/whole/pairs.rs` lets all use cases meet at chosen statements.

use crate::support::{Dice, short_or_long};
use crate::whole::pairs::{Field, on_large_threads};

/// The moment, and the two use cases.
const RACES: [(&str, &str, &str); 13] = [
    ("testing", "releaseIntegrationPack first date", "releaseIntegrationPack other date"),
    ("testing", "releaseIntegrationPack", "releaseIntegrationPack dated"),
    ("testing", "rescheduleRelease", "open"),
    ("testing", "promoteRelease", "open"),
    ("testing", "cancelRelease", "open"),
    ("testing", "applyPendingUpdate", "open"),
    ("due", "applyPendingUpdate", "open"),
    ("rolling out", "applyPendingUpdate other", "batch"),
    ("testing", "cancelRelease", "applyPendingUpdate"),
    ("rolling out", "uninstallPack", "batch"),
    ("testing", "installPack", "installPack"),
    ("testing", "createComponent", "createComponent"),
    ("testing", "releaseIntegrationPack once", "releaseIntegrationPack once"),
];

async fn all_races() {
    let Some(field) = Field::new().await else { return };
    let field = std::sync::Arc::new(field);
    let mut dice = Dice::new("races");
    let rounds = short_or_long(30, 1_000);
    for (moment, a, b) in RACES {
        let faults = field.race(moment, a, b, rounds, &mut dice).await;
        assert!(faults.is_empty(), "{moment}, {a}, {b}: {} of {rounds}: {}", faults.len(), faults[0]);
    }
}

#[test]
fn r30_clicks_that_race_on_two_servers_end_like_one_after_the_other() {
    on_large_threads(all_races());
}
