//! Accounts, and the enrolment of managed ones (R1, R35).

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use futures_util::future::try_join_all;

use crate::domain::accounts::{AccountRefusal, Privilege};
use crate::domain::id::ReleaseId;
use crate::graphql::accounts::managed_account::ManagedAccount;
use crate::graphql::accounts::refusal::AccountError;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::interfaces::Account;
use crate::graphql::releases::Release;
use crate::graphql::scalars::{DateTime, TimeZoneName};
use crate::service::accounts::{
    AccountEdit, Enrollable, NewAccount, create_managed_account, reactivate_account, reissue_enrolment,
    suspend_account, update_account,
};
use crate::service::error::Outcome;

use crate::graphql::mutations::{PayloadField, answer, change, publisher, result_and_errors, viewer};

/// Input of `createManagedAccount`.
#[derive(InputObject)]
struct CreateManagedAccountInput {
    /// 1 to 255 characters after trimming.
    name: String,
    /// Its zone, for display.
    time_zone: Option<TimeZoneName>,
    /// A key of your own, which the account doesn't see: 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`, unique among your managed accounts; case matters.
    key: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer, but for the token.
    client_request_id: Option<String>,
}

/// Answer of `createManagedAccount`.
#[derive(SimpleObject)]
struct CreateManagedAccountPayload {
    /// The account; null when refused.
    account: PayloadField<ManagedAccount>,
    /// The enrolment token, shown only this once, to be handed over to the account. It is a bearer token that can call `createApiToken` once, and nothing else. That call makes the account's first token, which always has the role ADMINISTRATOR. Null when refused or repeated.
    enrolment_token: Option<String>,
    /// When the enrolment token expires: after 7 days. Null when refused, and when another one has replaced it.
    enrolment_expires_at: Option<DateTime>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Input of `suspendAccount`.
#[derive(InputObject)]
struct SuspendAccountInput {
    /// The ID of a ManagedAccount.
    account_id: ID,
}

/// Answer of `suspendAccount`.
#[derive(SimpleObject)]
struct SuspendAccountPayload {
    /// The account; null when refused.
    account: PayloadField<ManagedAccount>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Input of `reactivateAccount`.
#[derive(InputObject)]
struct ReactivateAccountInput {
    /// The ID of a ManagedAccount.
    account_id: ID,
}

/// Answer of `reactivateAccount`.
#[derive(SimpleObject)]
struct ReactivateAccountPayload {
    /// The account; null when refused.
    account: PayloadField<ManagedAccount>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Input of `reissueEnrolmentToken`.
#[derive(InputObject)]
struct ReissueEnrolmentTokenInput {
    /// The ID of a ManagedAccount.
    account_id: ID,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours makes no other token, and doesn't answer the token again.
    client_request_id: Option<String>,
}

/// Answer of `reissueEnrolmentToken`.
#[derive(SimpleObject)]
struct ReissueEnrolmentTokenPayload {
    /// The account; null when refused.
    account: PayloadField<ManagedAccount>,
    /// As in `createManagedAccount`. Null when refused or repeated.
    enrolment_token: Option<String>,
    /// When the enrolment token expires: after 7 days. Null when refused, and when another one has replaced it.
    enrolment_expires_at: Option<DateTime>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// Input of `updateAccount`.
#[derive(InputObject)]
struct UpdateAccountInput {
    /// The ID of a ManagedAccount, or the caller's own; the caller's own account when left out.
    account_id: Option<ID>,
    /// A new name; unchanged when left out or null.
    name: Option<String>,
    /// A new zone; unchanged when left out, unset when null.
    time_zone: MaybeUndefined<TimeZoneName>,
    /// The key by which the publisher knows a managed account, as in `createManagedAccount`; unchanged when left out, null takes it away. Only with `accountId`.
    key: MaybeUndefined<String>,
}

/// Answer of `updateAccount`.
#[derive(SimpleObject)]
struct UpdateAccountPayload {
    /// The account; null when refused.
    account: PayloadField<Account>,
    /// The pending releases that keep the old zone, soonest first; at most 100.
    releases_keeping_time_zone: Vec<Release>,
    /// Why it was refused; empty when it was done.
    errors: Vec<AccountError>,
}

/// The common part of the payloads with an enrolment token.
struct Issued {
    account: PayloadField<ManagedAccount>,
    token: Option<String>,
    expires_at: Option<DateTime>,
    errors: Vec<AccountError>,
}

impl Issued {
    async fn of(ctx: &Context<'_>, outcome: Outcome<Enrollable, AccountRefusal>) -> Result<Self> {
        let (issued, errors) = result_and_errors(ctx, outcome)?;
        let Some(issued) = issued else {
            return Ok(Self { account: None, token: None, expires_at: None, errors });
        };
        let account = ManagedAccount::by_id(ctx, issued.account_id).await.transpose();
        Ok(Self { account, token: issued.secret, expires_at: issued.expires_at.map(Into::into), errors })
    }
}

/// Managed accounts and time zones.
#[derive(Default)]
pub(in crate::graphql) struct Accounts;

#[Object]
impl Accounts {
    /// Makes a managed account with an enrolment token, to be handed over, with which the account makes its first token itself. Must be the last mutation of its operation: an error of a later one would lose the token. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TIME_ZONE_UNKNOWN, KEY_INVALID, KEY_TAKEN.
    async fn create_managed_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new account's name, time zone and key.")] input: CreateManagedAccountInput,
    ) -> Result<CreateManagedAccountPayload> {
        let caller = publisher(ctx, Privilege::AccountAdministration)?;
        let new = NewAccount { name: input.name, time_zone: input.time_zone.map(|zone| zone.0), key: input.key };
        let outcome = create_managed_account(ctx.services(), &caller, new, input.client_request_id.as_deref()).await;
        let Issued { account, token, expires_at, errors } = Issued::of(ctx, outcome).await?;
        Ok(CreateManagedAccountPayload { account, enrolment_token: token, enrolment_expires_at: expires_at, errors })
    }

    /// Gives a managed account that never had a token another enrolment token; the former one ends. Must be the last mutation of its operation. Codes: CLIENT_REQUEST_ID_REUSED, ALREADY_ENROLLED.
    async fn reissue_enrolment_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The managed account that gets another enrolment token.")] input: ReissueEnrolmentTokenInput,
    ) -> Result<ReissueEnrolmentTokenPayload> {
        let caller = publisher(ctx, Privilege::AccountAdministration)?;
        let id = ids::managed_account_id(&input.account_id)?;
        let outcome = reissue_enrolment(ctx.services(), &caller, id, input.client_request_id.as_deref()).await;
        let Issued { account, token, expires_at, errors } = Issued::of(ctx, outcome).await?;
        Ok(ReissueEnrolmentTokenPayload { account, enrolment_token: token, enrolment_expires_at: expires_at, errors })
    }

    /// Suspends a managed account: its tokens are refused and its updates skipped. Codes: ALREADY_SUSPENDED.
    async fn suspend_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The managed account to suspend.")] input: SuspendAccountInput,
    ) -> Result<SuspendAccountPayload> {
        let caller = publisher(ctx, Privilege::AccountAdministration)?;
        let id = ids::managed_account_id(&input.account_id)?;
        let outcome = suspend_account(ctx.services(), &caller, id).await;
        let (account, errors) = answer(ctx, outcome, |()| ManagedAccount::by_id(ctx, id)).await?;
        Ok(SuspendAccountPayload { account, errors })
    }

    /// Makes a suspended account active; its installations catch up. Codes: NOT_SUSPENDED.
    async fn reactivate_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The suspended account to reactivate.")] input: ReactivateAccountInput,
    ) -> Result<ReactivateAccountPayload> {
        let caller = publisher(ctx, Privilege::AccountAdministration)?;
        let id = ids::managed_account_id(&input.account_id)?;
        let outcome = reactivate_account(ctx.services(), &caller, id).await;
        let (account, errors) = answer(ctx, outcome, |()| ManagedAccount::by_id(ctx, id)).await?;
        Ok(ReactivateAccountPayload { account, errors })
    }

    /// Changes the name or time zone of the caller's account, or the name, time zone or key of an account that the caller manages. A managed account can change only its own time zone: its publisher gives it its name. Codes: NAME_NOT_EDITABLE, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, TIME_ZONE_UNKNOWN, KEY_INVALID, KEY_TAKEN.
    async fn update_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account, and its new name, time zone or key.")] input: UpdateAccountInput,
    ) -> Result<UpdateAccountPayload> {
        let caller = viewer(ctx, Privilege::AccountAdministration)?;
        let id = match &input.account_id {
            Some(id) => ids::other_account(id, caller.account.id)?,
            None => None,
        };
        let time_zone = change(input.time_zone).map(|zone| zone.map(|zone| zone.0));
        let edit = AccountEdit { name: input.name, time_zone, key: change(input.key) };
        let (edited, errors) = result_and_errors(ctx, update_account(ctx.services(), caller, id, edit).await)?;
        let Some(edited) = edited else {
            return Ok(UpdateAccountPayload { account: None, releases_keeping_time_zone: Vec::new(), errors });
        };
        let account = Account::by_id(ctx, edited.account_id).await.transpose();
        let releases_keeping_time_zone = releases(ctx, edited.releases_keeping_time_zone).await?;
        Ok(UpdateAccountPayload { account, releases_keeping_time_zone, errors })
    }
}

async fn releases(ctx: &Context<'_>, ids: Vec<ReleaseId>) -> Result<Vec<Release>> {
    let found = try_join_all(ids.into_iter().map(|id| Release::by_id(ctx, id))).await?;
    Ok(found.into_iter().flatten().collect())
}
