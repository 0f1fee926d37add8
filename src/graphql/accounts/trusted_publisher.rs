//! A trusted publisher of the caller's account, and the connection of trusted publishers (R70).

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use crate::domain::accounts as account;
use crate::domain::accounts::Privilege;
use crate::domain::id::TrustedPublisherId;
use crate::graphql::accounts::actor::Actor;
use crate::graphql::connection::{PageArgs, connection};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::Role;
use crate::graphql::error::ResultExt as _;
use crate::graphql::ids::Gid;
use crate::graphql::scalars::{DateTime, Uri};
use crate::store::accounts::trusted;

connection!("trusted publishers", TrustedPublisherConnection, TrustedPublisherEdge, TrustedPublisher);

/// The type `TrustedPublisher`.
pub struct TrustedPublisher(account::TrustedPublisher);

/// A pipeline that acts for the account without a stored secret: a JWT of the issuer that has all of the claims is a token of the account and the role until it expires. Needs ACCOUNT_ADMINISTRATION.
#[Object]
impl TrustedPublisher {
    /// Opaque.
    pub async fn id(&self) -> ID {
        Gid::TrustedPublisher(self.0.id).encode()
    }

    /// 1 to 255 characters, unique in the account whatever the case.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The issuer that signs its JWTs.
    async fn issuer(&self) -> Uri {
        self.0.issuer.clone().into()
    }

    /// The claims that its JWTs must have.
    async fn claims(&self) -> Vec<TrustedClaim> {
        let shown = |claim: &account::TrustedClaim| {
            let account::TrustedClaim { name, value } = claim.clone();
            TrustedClaim { name, value }
        };
        self.0.claims.iter().map(shown).collect()
    }

    /// What it may do.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }

    /// The actor that made it.
    async fn created_by(&self) -> Actor {
        self.0.created_by.clone().into()
    }

    /// When it was last used, to the minute; null when it wasn't.
    async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used_at.map(Into::into)
    }
}

/// A claim that a JWT must have.
#[derive(SimpleObject)]
struct TrustedClaim {
    /// Its name, such as `repository`.
    name: String,
    /// Its text. The JWT must have exactly this one.
    value: String,
}

impl TrustedPublisher {
    /// The trusted publisher with this id, if it is the account's and the caller may keep them.
    pub async fn by_id(ctx: &Context<'_>, id: TrustedPublisherId) -> Result<Option<Self>> {
        let may = ctx.viewer()?.may(Privilege::AccountAdministration);
        let found = ctx.loaders().accounts.trusted.one(id).await.or_failure()?;
        Ok(found.filter(|_| may).map(Self))
    }
}

/// The trusted publishers of the caller's account, by name. Fails with FORBIDDEN without the privilege
/// ACCOUNT_ADMINISTRATION.
pub(super) async fn trusted_connection(ctx: &Context<'_>, args: PageArgs) -> Result<TrustedPublisherConnection> {
    ctx.viewer()?.require(Privilege::AccountAdministration).or_failure()?;
    let request = args.request(ctx, trusted::BY_NAME)?;
    let page = ctx.loaders().accounts.trusted_pages.must(request).await.or_failure()?;
    Ok(TrustedPublisherConnection::of(page, TrustedPublisher))
}
