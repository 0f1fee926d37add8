//! The set of all loaders, which combine the reads of resolvers into batches. There is one set for each request, for
//! each field of a mutation and for each event of a subscription. A set reads everything at one instant, from one state
//! of the database. Each subject's loaders are in its folder.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::accounts::AccountLoaders;
use super::batch::Base;
use super::components::ComponentLoaders;
use super::installations::InstallationLoaders;
use super::library::LibraryLoaders;
use super::log::LogLoaders;
use super::packs::PackLoaders;
use super::releases::ReleaseLoaders;
use super::sharing::SharingLoaders;
use super::webhooks::WebhookLoaders;
use crate::domain::Instant;
use crate::service::Shared;
use crate::service::access::Caller;
use crate::store::Snapshot;
use crate::store::sharing::many::VisibleToMany;

/// One set of loaders.
pub struct Loaders {
    base: Arc<Base>,
    now: Instant,
    pub accounts: LazyLoaders<AccountLoaders>,
    pub components: LazyLoaders<ComponentLoaders>,
    pub installations: LazyLoaders<InstallationLoaders>,
    pub library: LazyLoaders<LibraryLoaders>,
    pub log: LazyLoaders<LogLoaders>,
    pub packs: LazyLoaders<PackLoaders>,
    pub releases: LazyLoaders<ReleaseLoaders>,
    pub sharing: LazyLoaders<SharingLoaders>,
    pub webhooks: LazyLoaders<WebhookLoaders>,
}

/// The loaders of one subject, built at the first use.
pub struct LazyLoaders<T> {
    base: Arc<Base>,
    make: fn(&Base) -> T,
    made: OnceLock<Box<T>>,
}

impl<T> LazyLoaders<T> {
    fn new(base: &Arc<Base>, make: fn(&Base) -> T) -> Self {
        Self { base: base.clone(), make, made: OnceLock::new() }
    }
}

impl<T> Deref for LazyLoaders<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.made.get_or_init(|| Box::new((self.make)(&self.base)))
    }
}

impl Loaders {
    /// A set for a caller, at the current time.
    #[must_use]
    pub fn new(services: &Shared, caller: &Caller) -> Self {
        Self::at(services, caller, services.clock.now(), None)
    }

    /// A set for an event, over data that was read at once for all accounts that are shown it. A read of anything else
    /// is refused, because it would see another state of the database.
    #[must_use]
    pub fn of_event(services: &Shared, caller: &Caller, seen: Arc<VisibleToMany>) -> Self {
        let loaders = Self::at(services, caller, seen.now(), Some(seen));
        loaders.base.snapshot.iter().for_each(Snapshot::close);
        loaders
    }

    fn at(services: &Shared, caller: &Caller, now: Instant, seen: Option<Arc<VisibleToMany>>) -> Self {
        let snapshot = caller.viewer().ok().map(|viewer| services.db.snapshot(viewer.scope(), now));
        let base = Arc::new(Base { snapshot, seen });
        Self {
            accounts: LazyLoaders::new(&base, AccountLoaders::new),
            components: LazyLoaders::new(&base, ComponentLoaders::new),
            installations: LazyLoaders::new(&base, InstallationLoaders::new),
            library: LazyLoaders::new(&base, LibraryLoaders::new),
            log: LazyLoaders::new(&base, LogLoaders::new),
            packs: LazyLoaders::new(&base, PackLoaders::new),
            releases: LazyLoaders::new(&base, ReleaseLoaders::new),
            sharing: LazyLoaders::new(&base, SharingLoaders::new),
            webhooks: LazyLoaders::new(&base, WebhookLoaders::new),
            base,
            now,
        }
    }

    /// The time that all reads of this set refer to.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Whether a read was refused, because the set comes from [`Loaders::of_event`] and lacks the data.
    #[must_use]
    pub fn lacks_something(&self) -> bool {
        self.base.seen.is_some() && self.snapshot().is_some_and(|snapshot| snapshot.reads() > 0)
    }

    /// A time after all reads of this set.
    #[must_use]
    pub fn read_by(&self) -> std::time::Instant {
        self.base.seen.as_ref().map_or_else(std::time::Instant::now, |seen| seen.read_by())
    }

    /// The snapshot from which this set reads, for reads without a loader; `None` without a token.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.base.snapshot.as_ref()
    }
}
