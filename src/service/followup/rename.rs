//! Updates the sort keys of a renamed pack's installations.

use crate::domain::id::PackId;
use crate::domain::text;
use crate::service::error::Failure;
use crate::store::installations::write as installations;
use crate::store::packs::write as packs;

use super::{Batch, FollowUp, Next};

/// Sets the name key of a renamed SINGLE pack's installations, except those with an override name.
pub(super) struct Rename {
    pub pack: PackId,
}

impl FollowUp for Rename {
    async fn run_batch(self, batch: &mut Batch<'_>) -> Result<Next, Failure> {
        let Some(pack) = packs::hold(batch.tx, self.pack).await? else { return Ok(Next::Done) };
        let found = installations::batch(batch.tx, pack.id, batch.task.resume_after, batch.size).await?;
        let ids: Vec<_> = found.iter().filter(|i| i.override_name.is_none()).map(|i| i.id).collect();
        installations::save_name_key(batch.tx, &ids, &text::key(&pack.name)).await?;
        Ok(Next::after(batch.processed(found.len(), found.last().map(|i| i.id.into()))))
    }
}
