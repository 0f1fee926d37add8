//! Seals new audit entries after the commits that wrote them (R51). It reads entries while other transactions write,
//! and saves the seals in a short transaction, so that no writer waits for a seal.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::domain::id::AccountId;
use crate::domain::log::Link;
use crate::ids;
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::log::seals;

/// The number of entries after which a transaction saves their seals. A rollout writes thousands of entries a second,
/// and on SQLite its batches wait for each such transaction.
const MOST: usize = 10_000;
/// A read with fewer entries has probably come to the end of the log.
const FULL: usize = 1_000;

/// Seals the next part of the log, for all publishers together. Returns false when nothing is left to seal.
///
/// # Errors
/// [`Failure::Unavailable`] and others, when the database can't be read or written. Then nothing has changed.
pub async fn seal_entries(cx: &Services) -> Result<bool, Failure> {
    let present = cx.db.whole_server();
    // Looks for new entries without a snapshot, because usually there are none.
    if !seals::has_unsealed(&present).await? {
        return Ok(false);
    }
    // Reads rows and batches in one snapshot. Otherwise a row that was committed before a batch could be skipped.
    let source = present.one_state();
    let sealed_to = seals::sealed_to(&source).await?;
    let mut position = sealed_to;
    let mut of_publishers: BTreeMap<AccountId, Vec<Link>> = BTreeMap::new();
    let mut count = 0;
    while count < MOST {
        let Some((links, read_to)) = seals::links_after(&source, position).await? else { break };
        position = read_to;
        let is_last = links.len() < FULL;
        // A row whose publisher can't be read belongs to no chain. `packwright audit verify` reports it.
        for link in links.into_iter().filter(|link| link.publisher_id != AccountId(Uuid::nil())) {
            of_publishers.entry(link.publisher_id).or_default().push(link);
            count += 1;
        }
        // Usually the log ends here, and nothing needs to be read to find that out.
        if is_last && count > 0 {
            break;
        }
    }
    if of_publishers.is_empty() {
        return Ok(false);
    }
    let publishers: BTreeSet<_> = of_publishers.keys().copied().collect();
    let mut chains = seals::chains_of(&source, &publishers).await?;
    drop(source);
    let mut sealed = Vec::new();
    for chain in &mut chains {
        let links = of_publishers.get(&chain.publisher_id).map_or(&[][..], Vec::as_slice);
        sealed.extend(chain.seal(links, || Uuid::from_bytes(ids::random())));
    }
    let tx = cx.db.begin().await?;
    if seals::save(&tx, sealed_to, &chains, &sealed).await? {
        let sealed_at = cx.now(&tx);
        tx.commit().await?;
        cx.seals_to.send(&chains, sealed_at);
    }
    Ok(true)
}
