//! When tokens and trusted publishers were last used. The scheduler saves it, so that requests don't wait for the
//! write.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::Instant;
use crate::domain::id::{TokenId, TrustedPublisherId};
use crate::store::StoreResult;
use crate::store::accounts::{write, write_trusted};

use crate::service::Services;
use crate::service::error::Failure;

/// The most uses that one transaction saves, because other transactions wait for its locks.
const USES_A_TRANSACTION: usize = 500;

/// What was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Used {
    Token(TokenId),
    TrustedPublisher(TrustedPublisherId),
}

/// The latest uses that aren't saved, in the order in which every server locks tokens.
#[derive(Default)]
pub struct TokenUses(Mutex<BTreeMap<Used, Instant>>);

impl TokenUses {
    /// Adds a use if the saved `lastUsedAt` is at least a minute off. A value in the future, from a clock that was
    /// ahead, is corrected too.
    pub(super) fn remember(&self, used: Used, last_used_at: Option<Instant>, now: Instant) {
        if last_used_at.is_none_or(|last| (now - last).abs() >= chrono::Duration::minutes(1)) {
            self.uses().insert(used, now);
        }
    }

    /// Adds uses back that could not be saved. A newer use of the same token is kept.
    fn put_back(&self, uses: &[(Used, Instant)]) {
        let mut kept = self.uses();
        for (used, at) in uses {
            kept.entry(*used).or_insert(*at);
        }
    }

    fn uses(&self) -> MutexGuard<'_, BTreeMap<Used, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Saves the uses, some hundreds per transaction. After an error the remaining ones are kept for the next call.
pub(crate) async fn save_token_uses(cx: &Services) -> Result<(), Failure> {
    let uses: Vec<_> = std::mem::take(&mut *cx.token_uses.uses()).into_iter().collect();
    let mut left = &uses[..];
    while !left.is_empty() {
        let (some, rest) = left.split_at(left.len().min(USES_A_TRANSACTION));
        if let Err(error) = save(cx, some).await {
            cx.token_uses.put_back(left);
            return Err(error.into());
        }
        left = rest;
    }
    Ok(())
}

async fn save(cx: &Services, uses: &[(Used, Instant)]) -> StoreResult<()> {
    let (mut tokens, mut trusted) = (Vec::new(), Vec::new());
    for (used, at) in uses {
        match used {
            Used::Token(id) => tokens.push((*id, *at)),
            Used::TrustedPublisher(id) => trusted.push((*id, *at)),
        }
    }
    write::save_last_used(&cx.db, &tokens).await?;
    write_trusted::save_last_used(&cx.db, &trusted).await
}
