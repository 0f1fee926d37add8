//! Locks components together with the packs that have them, because a new or deleted version changes the packs'
//! assessments and sends them events.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::id::{ComponentId, ComponentVersionId, PackId};
use crate::domain::log::EventKind;
use crate::domain::packs::{DeploymentModel, Pack};
use crate::service::packs::reassess_all;
use crate::store::components::write::Counters;
use crate::store::components::{write as components, write_uses as uses};
use crate::store::packs::write as packs;
use crate::store::{StoreResult, Tx};

use crate::service::Services;
use crate::service::access::Publisher;
use crate::service::error::Failure;
use crate::service::journal::{Journal, JournalEvent};

/// Locked components, and the locked packs that have them.
pub(in crate::service) struct Holders {
    pub(in crate::service) components: BTreeMap<ComponentId, Counters>,
    pub(in crate::service) packs: Vec<Pack>,
    packs_with: BTreeMap<ComponentId, Vec<PackId>>,
    /// The newest versions that the components had when they were locked.
    before: BTreeMap<ComponentId, Newest>,
}

/// The newest package and the newest publication that packs may contain.
type Newest = (Option<ComponentVersionId>, Option<ComponentVersionId>);

fn newest(counters: &Counters) -> Newest {
    (counters.latest_shareable, counters.latest_publication)
}

impl Holders {
    /// Locks the packs of a deployment model that have the components, and then those components that are the caller's.
    ///
    /// # Errors
    /// [`Failure::Overtaken`] when a component was added to or removed from a pack while this call waited.
    pub(in crate::service) async fn lock(
        tx: &Tx,
        caller: &Publisher,
        named_components: &[ComponentId],
        model: DeploymentModel,
    ) -> Result<Self, Failure> {
        let packs_with = uses::packs_with(tx, named_components, model).await?;
        let mut ids: Vec<PackId> = packs_with.values().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let packs = packs::lock_all(tx, &ids).await?;
        let counters = components::lock_all(tx, &caller.scope, named_components).await?;
        let components: BTreeMap<_, _> =
            counters.into_iter().map(|counters| (counters.component.id, counters)).collect();
        let before = components.iter().map(|(id, counters)| (*id, newest(counters))).collect();
        let still_so = uses::packs_with(tx, named_components, model).await? == packs_with;
        if still_so { Ok(Self { components, packs, packs_with, before }) } else { Err(Failure::Overtaken) }
    }

    /// The packs with a component whose newest version has changed since it was locked.
    fn touched(&self) -> Vec<Pack> {
        let is_changed = |(id, counters): &(&ComponentId, &Counters)| self.before.get(id) != Some(&newest(counters));
        let changed = self.components.iter().filter(is_changed).filter_map(|(id, _)| self.packs_with.get(id));
        let touched: BTreeSet<_> = changed.flatten().collect();
        self.packs.iter().filter(|pack| touched.contains(&pack.id)).cloned().collect()
    }

    /// Sends an event about a newer version to the publisher, for each pack that has the component (R18, R19).
    pub(in crate::service) fn announce_newer(
        &self,
        journal: &mut Journal<'_>,
        component: ComponentId,
        version: ComponentVersionId,
    ) {
        let with: BTreeSet<_> = self.packs_with.get(&component).into_iter().flatten().collect();
        for pack in self.packs.iter().filter(|pack| with.contains(&pack.id)) {
            journal.append_event(JournalEvent {
                component_version_id: Some(version),
                ..JournalEvent::of(EventKind::NewerShareablePackaged, pack)
            });
        }
    }
}

/// Saves the counters of locked components, and reassesses the packs whose components have changed.
pub(in crate::service) async fn save_holders(cx: &Services, tx: &Tx, holders: &Holders) -> StoreResult<()> {
    for counters in holders.components.values() {
        components::save_counters(tx, counters).await?;
    }
    reassess_all(cx, tx, &holders.touched()).await
}
