//! The filter and the pages of the audit log (R51).

use async_graphql::{Context, ID, InputObject, Result};

use crate::domain::accounts::Privilege;
use crate::domain::id::TokenId;
use crate::domain::log::SubjectKey;
use crate::graphql::accounts::ApiToken;
use crate::graphql::connection::{PageArgs, searchable};
use crate::graphql::context::ContextExt as _;
use crate::graphql::enums::ActorKind;
use crate::graphql::error::{ResultExt as _, bad_input, not_found};
use crate::graphql::filters::all;
use crate::graphql::ids::{Gid, token_id};
use crate::graphql::log::audit_entry::{AuditEntry, AuditEntryConnection};
use crate::graphql::node::visible_node;
use crate::graphql::scalars::DateTime;
use crate::store::log::audit;

/// The most actions in a filter.
const ACTIONS_MAX: usize = 100;

/// A filter of audit entries.
#[derive(InputObject, Default)]
pub(crate) struct AuditLogFilter {
    /// Done by this kind of actor.
    actor_kind: Option<ActorKind>,
    /// Done with this token: the ID of an ApiToken, revoked or not. Or done by this pipeline: the ID of a TrustedPublisher, gone or not.
    token_id: Option<ID>,
    /// Done to this object: the ID of any object, gone or not.
    subject_id: Option<ID>,
    /// Is one of these actions, for example `releaseIntegrationPack`.
    actions: Option<Vec<String>>,
    /// Not before this instant.
    from: Option<DateTime>,
    /// Before this instant.
    to: Option<DateTime>,
}

impl AuditLogFilter {
    /// Converts the filter, and looks up its ids.
    async fn read(self, ctx: &Context<'_>) -> Result<audit::AuditFilter> {
        Ok(audit::AuditFilter {
            actor_kind: self.actor_kind.map(Into::into),
            actions: actions(self.actions)?,
            from: self.from.map(Into::into),
            to: self.to.map(Into::into),
            token: visible_token(ctx, self.token_id).await?,
            subject: visible_subject(ctx, self.subject_id).await?,
        })
    }
}

fn actions(given: Option<Vec<String>>) -> Result<Option<Vec<String>>> {
    let Some(given) = given else { return Ok(None) };
    if given.len() > ACTIONS_MAX {
        return Err(bad_input(format!("Give at most {ACTIONS_MAX} actions.")));
    }
    let given: Vec<_> = given.into_iter().map(|action| searchable(Some(action))).collect::<Result<_>>()?;
    Ok(Some(all(given.into_iter().flatten().collect())))
}

/// A token or a trusted publisher of the caller's account, which may be revoked or gone.
async fn visible_token(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<TokenId>> {
    let Some(id) = id else { return Ok(None) };
    // A pipeline's actor has the trusted publisher's id.
    if let Some(Gid::TrustedPublisher(publisher)) = Gid::decode(&id) {
        visible_subject(ctx, Some(id)).await?;
        return Ok(Some(TokenId(publisher.0)));
    }
    let token = token_id(&id)?;
    ApiToken::by_id(ctx, token).await?.ok_or_else(|| not_found(&id))?;
    Ok(Some(token))
}

/// An object that the caller may see, or a deleted one with an entry that the caller may see. Any other id is
/// NOT_FOUND, after the same number of statements (R3).
async fn visible_subject(ctx: &Context<'_>, id: Option<ID>) -> Result<Option<SubjectKey>> {
    let Some(id) = id else { return Ok(None) };
    let key = Gid::decode(&id).ok_or_else(|| not_found(&id))?.key();
    if visible_node(ctx, &id).await?.is_none() && !audit::any_about(&ctx.snapshot()?, &key).await.or_failure()? {
        return Err(not_found(&id));
    }
    Ok(Some(key))
}

/// The entries that the caller may see and that match the filter, newest first. Fails with FORBIDDEN without the
/// privilege, NOT_FOUND for an unknown id in the filter, BAD_USER_INPUT for invalid arguments.
pub(crate) async fn audit_connection(
    ctx: &Context<'_>,
    filter: Option<AuditLogFilter>,
    args: PageArgs,
) -> Result<AuditEntryConnection> {
    ctx.viewer()?.require(Privilege::ViewAuditLog).or_failure()?;
    let request = args.request(ctx, audit::NEWEST)?;
    let filter = filter.unwrap_or_default().read(ctx).await?;
    let page = audit::page(&ctx.snapshot()?, &filter, request).await.or_failure()?;
    let page = page.ok_or_else(|| {
        bad_input("`after` or `before` is a cursor of another account's log, or its entry is no longer kept.")
    })?;
    Ok(AuditEntryConnection::of(page, AuditEntry::from))
}
