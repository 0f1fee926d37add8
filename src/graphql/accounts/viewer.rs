//! The caller: its account, its token and its privileges.

use async_graphql::{Context, Object, Result};

use crate::domain::accounts::AccountKind;
use crate::graphql::accounts::api_token::ApiToken;
use crate::graphql::accounts::own_account::OwnAccount;
use crate::graphql::accounts::publisher_account::PublisherAccount;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::{Privilege, Role};
use crate::graphql::error::ResultExt as _;
use crate::graphql::interfaces::Account;
use crate::service::access;
use crate::store::log::events;

/// The type `Viewer`.
pub(crate) struct Viewer(access::Viewer);

impl From<access::Viewer> for Viewer {
    fn from(viewer: access::Viewer) -> Self {
        Self(viewer)
    }
}

/// The caller.
#[Object]
impl Viewer {
    /// The account: a PublisherAccount or an OwnAccount.
    async fn account(&self) -> Account {
        let account = (*self.0.account).clone();
        match account.kind {
            AccountKind::Publisher => PublisherAccount::from(account).into(),
            AccountKind::Managed => OwnAccount::from(account).into(),
        }
    }

    /// The token of this request.
    async fn token(&self) -> ApiToken {
        (*self.0.token).clone().into()
    }

    /// Its role.
    async fn role(&self) -> Role {
        self.0.token.role.into()
    }

    /// The privileges of the role.
    async fn privileges(&self) -> Vec<Privilege> {
        self.0.token.role.privileges().iter().map(|privilege| (*privilege).into()).collect()
    }

    /// The present end of the event log for the caller: the cursor of the newest event that it may see. Opaque, and the same until the caller has a newer event, so that it reveals nothing of other accounts. Read it first, then the state, and subscribe after it: then nothing is missed.
    async fn event_cursor(&self, ctx: &Context<'_>) -> Result<String> {
        let hub = &ctx.data_of_request().hub;
        let position = events::position(&ctx.snapshot()?).await.or_failure()?;
        Ok(hub.sealer().seal(self.0.account.id, position))
    }
}
