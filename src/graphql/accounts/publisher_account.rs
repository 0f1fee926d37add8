//! The caller's own account, if it is a publisher.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::domain::accounts::{Account, AccountKind};
use crate::domain::id::AccountId;
use crate::domain::releases::{DateRange, release_dates};
use crate::graphql::accounts::api_token::{ApiTokenConnection, own_tokens};
use crate::graphql::connection::PageArgs;
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::AccountStatus;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::{Date, DateTime, TimeZoneName};

/// The type `PublisherAccount`: a publisher in its own view.
pub struct PublisherAccount(Account);

impl From<Account> for PublisherAccount {
    fn from(account: Account) -> Self {
        Self(account)
    }
}

/// The caller's own account, when it is a publisher's.
#[Object]
impl PublisherAccount {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::PublisherAccount(self.0.id).encode()
    }

    /// 1 to 255 characters.
    pub async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// Whether it is active or suspended.
    pub async fn status(&self) -> AccountStatus {
        self.0.status.into()
    }

    /// The zone of dated releases; null while none is set.
    pub async fn time_zone(&self) -> Option<TimeZoneName> {
        self.0.time_zone.clone().map(Into::into)
    }

    /// When it was made.
    pub async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The dates that a release made now may have, for a date picker; null while no zone is set.
    async fn release_dates(&self, ctx: &Context<'_>) -> Option<ReleaseDateRange> {
        let services = ctx.services();
        let zone = services.zone(self.0.time_zone.as_deref())?;
        Some(release_dates(ctx.now(), &zone, services.settings.release_days_ahead).into())
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

impl PublisherAccount {
    /// The caller's own account, if it is a publisher and has this id.
    pub async fn by_id(ctx: &Context<'_>, id: AccountId) -> Result<Option<Self>> {
        let own = ctx.loaders().accounts.own.one(()).await.or_failure()?;
        Ok(own.filter(|own| own.id == id && own.kind == AccountKind::Publisher).map(Self))
    }
}

/// The first and the last date that a release made now may have.
#[derive(SimpleObject)]
pub(crate) struct ReleaseDateRange {
    /// Tomorrow, in the zone.
    earliest: Date,
    /// By default 365 days ahead.
    latest: Date,
    /// The zone of both dates: the publisher account's now.
    time_zone: TimeZoneName,
}

impl From<DateRange> for ReleaseDateRange {
    fn from(range: DateRange) -> Self {
        Self { earliest: range.earliest.into(), latest: range.latest.into(), time_zone: range.time_zone.into() }
    }
}
