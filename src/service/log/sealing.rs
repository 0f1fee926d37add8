//! Seals new audit entries, behind the commits that wrote them (R51). Entries are read beside the writers, and a short
//! transaction of its own saves their seals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use uuid::Uuid;

use crate::domain::id::AccountId;
use crate::domain::log::{Chain, Link};
use crate::ids;
use crate::service::Services;
use crate::service::error::Failure;
use crate::store::log::seals;

/// Where a server sends its seals, so that somebody else can keep them. Whoever can change the database can make its
/// chain anew, but not the seals that are kept elsewhere.
#[derive(Debug, Default)]
pub enum SealsTo {
    #[default]
    Nowhere,
    /// The server's log.
    Log,
    /// A file, to which lines are added.
    File { path: PathBuf, file: Mutex<File> },
}

impl SealsTo {
    /// Opens a file to add seals to. It is created if it isn't there.
    ///
    /// # Errors
    /// The system's error, if it can't be opened for writing.
    pub fn file(path: &Path) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self::File { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Sends the end of each chain. A seal that is lost on the way is covered by the next one.
    fn send(&self, chains: &[Chain], sealed_at: crate::domain::Instant) {
        for chain in chains {
            let (publisher, seal, hash) = (chain.publisher_id.0, chain.end.number, chain.end.hash);
            match self {
                Self::Nowhere => return,
                Self::Log => tracing::info!(%publisher, seal, %hash, "audit entries are sealed"),
                Self::File { path, file } => {
                    let sealed_at = crate::domain::instant::to_text(sealed_at);
                    let line = json!({ "publisher": publisher, "seal": seal, "hash": hash.to_string(), "sealedAt": sealed_at });
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
                        tracing::error!(%error, path = %path.display(), "a seal of the audit log could not be written");
                        return;
                    }
                }
            }
        }
    }
}

/// Seals the next stretch of the log, of all publishers together. Returns false when nothing is left to seal.
///
/// # Errors
/// [`Failure::Unavailable`] and others, when the database can't be read or written. Then nothing has changed.
pub async fn seal_entries(cx: &Services) -> Result<bool, Failure> {
    let present = cx.db.whole_server();
    // A look for new entries, without a snapshot: usually there are none.
    if !seals::has_unsealed(&present).await? {
        return Ok(false);
    }
    // Rows and batches of one state: otherwise a row could be passed over that was committed before a batch.
    let source = present.one_state();
    let sealed_to = seals::sealed_to(&source).await?;
    let mut position = sealed_to;
    let mut of_publishers: BTreeMap<AccountId, Vec<Link>> = BTreeMap::new();
    while of_publishers.is_empty() {
        let Some((links, read_to)) = seals::links_after(&source, position).await? else { return Ok(false) };
        position = read_to;
        // Nobody knows whose a row is whose publisher can't be read. `packwright audit verify` tells of it.
        for link in links.into_iter().filter(|link| link.publisher_id != AccountId(Uuid::nil())) {
            of_publishers.entry(link.publisher_id).or_default().push(link);
        }
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
