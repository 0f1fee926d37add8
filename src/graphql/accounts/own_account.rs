//! The caller's own account, if it is a managed account.

use async_graphql::{Context, ID, Object, Result};

use crate::domain::accounts::{Account, AccountKind};
use crate::domain::id::AccountId;
use crate::graphql::accounts::api_token::{ApiTokenConnection, own_tokens};
use crate::graphql::connection::PageArgs;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::AccountStatus;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::{DateTime, TimeZoneName};

/// The type `OwnAccount`: a managed account in its own view.
pub struct OwnAccount(Account);

impl From<Account> for OwnAccount {
    fn from(account: Account) -> Self {
        Self(account)
    }
}

/// The caller's own account, when it is a managed one.
#[Object]
impl OwnAccount {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::OwnAccount(self.0.id).encode()
    }

    /// 1 to 255 characters.
    pub async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// Whether it is active or suspended.
    pub async fn status(&self) -> AccountStatus {
        self.0.status.into()
    }

    /// The account's zone; null while none is set. For display alone: windows are in the publisher's zone.
    pub async fn time_zone(&self) -> Option<TimeZoneName> {
        self.0.time_zone.clone().map(Into::into)
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The name of the publisher that manages it.
    async fn publisher_name(&self, ctx: &Context<'_>) -> Result<String> {
        ctx.loaders().accounts.publisher_name.must(()).await.or_failure()
    }

    /// Its API tokens, newest first; null without ACCOUNT_ADMINISTRATION.
    async fn api_tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the start, 0 to 100; 20 when no size is given.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end; not with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Option<Result<ApiTokenConnection>> {
        own_tokens(ctx, PageArgs::new(first, after, last, before)).await.transpose()
    }
}

impl OwnAccount {
    /// The caller's own account, if it is a managed account.
    pub async fn own(ctx: &Context<'_>) -> Result<Option<Self>> {
        let own = ctx.loaders().accounts.own.one(()).await.or_failure()?;
        Ok(own.filter(|own| own.kind == AccountKind::Managed).map(Self))
    }

    /// The caller's own account, if it is a managed account and has this id.
    pub async fn by_id(ctx: &Context<'_>, id: AccountId) -> Result<Option<Self>> {
        Ok(Self::own(ctx).await?.filter(|own| own.0.id == id))
    }
}
