//! The filter of a reader of events.

use sea_orm::sea_query::{ExprTrait as _, SelectStatement};

use entity::event;

use crate::domain::id::{AccountId, InstallationId, PackId, ReleaseId};
use crate::domain::log::{Audience, EventKind, NewEvent};
use crate::domain::webhooks::EndpointFilter;
use crate::store::column::col;
use crate::store::convert::Stored as _;
use crate::store::log::events::readable;
use crate::store::page::checked;
use crate::store::scope::Scope;

/// A filter on events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// `None` for all kinds; empty for no events.
    pub kinds: Option<Vec<EventKind>>,
    pub pack_id: Option<PackId>,
    pub release_id: Option<ReleaseId>,
    pub installation_id: Option<InstallationId>,
    /// An account that the publisher manages.
    pub account_id: Option<AccountId>,
}

impl From<&EndpointFilter> for Interest {
    /// The filter of the events that the server sends to an endpoint.
    fn from(filter: &EndpointFilter) -> Self {
        let EndpointFilter { kinds, pack_id, installation_id, release_id, about_account_id: account_id } =
            filter.clone();
        Self { kinds, pack_id, release_id, installation_id, account_id }
    }
}

impl Interest {
    /// Whether an event may concern the reader. True also if only a query can decide.
    #[must_use]
    pub fn may_concern(&self, scope: Scope, event: &NewEvent) -> bool {
        let query = self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind))
            && self.pack_id.is_none_or(|pack| event.pack_id == Some(pack))
            && self.release_id.is_none_or(|release| event.release_id == Some(release))
            && self.installation_id.is_none_or(|installation| event.installation_id == Some(installation))
            && self.account_id.is_none_or(|account| event.account_id == Some(account));
        query
            && match scope {
                Scope::Publisher(scope) => {
                    event.audience != Audience::Account && event.publisher_id == scope.publisher_id()
                }
                Scope::Managed(scope) => match event.audience {
                    Audience::Publisher => false,
                    Audience::Account | Audience::PublisherAndAccount => event.account_id == Some(scope.account_id()),
                    Audience::PublisherAndInstalled => event.publisher_id == scope.publisher_id(),
                },
            }
    }

    /// Whether the filter matches events of releases, or other events.
    #[must_use]
    pub fn wants(&self, of_releases: bool) -> bool {
        self.kinds().iter().any(|kind| kind.is_of_release() == of_releases)
    }

    /// The kinds that the filter names; all kinds if it names none.
    pub(in crate::store) fn kinds(&self) -> &[EventKind] {
        self.kinds.as_deref().unwrap_or(&EventKind::ALL)
    }

    /// Adds the filter's conditions, which are checked row by row.
    pub(in crate::store::log) fn check(&self, select: &mut SelectStatement) {
        let kinds = self.kinds().iter().map(|kind| kind.stored());
        select
            .and_where(checked(col(event::Column::Kind).is_in(kinds)))
            .and_where(checked(readable()))
            .and_where_option(self.pack_id.map(|id| checked(col(event::Column::PackId).eq(id.0))))
            .and_where_option(self.release_id.map(|id| checked(col(event::Column::ReleaseId).eq(id.0))))
            .and_where_option(self.installation_id.map(|id| checked(col(event::Column::InstallationId).eq(id.0))))
            .and_where_option(self.account_id.map(|id| checked(col(event::Column::AccountId).eq(id.0))));
    }
}
