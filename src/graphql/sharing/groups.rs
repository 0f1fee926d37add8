//! Account groups and their members (R45).

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};

use crate::domain::accounts::Privilege;
use crate::graphql::context::ContextExt as _;
use crate::graphql::ids;
use crate::graphql::sharing::account_group::AccountGroup;
use crate::graphql::sharing::refusal::SharingError;
use crate::service::sharing::{
    GroupEdit, NewGroup, add_accounts, create_group, delete_group, remove_accounts, update_group,
};

use crate::graphql::mutations::{PayloadField, answer, change, count, publisher, result_and_errors};

/// Input of `createAccountGroup`.
#[derive(InputObject)]
struct CreateAccountGroupInput {
    /// 1 to 255 characters after trimming.
    name: String,
    /// A key of your own: 1 to 128 characters of `A-Z a-z 0-9 . _ - / :`, unique among your groups; case matters.
    key: Option<String>,
    /// 1 to 64 characters of the caller's choice: the same call again within 24 hours changes nothing and gets the first answer.
    client_request_id: Option<String>,
}

/// Answer of `createAccountGroup`.
#[derive(SimpleObject)]
struct CreateAccountGroupPayload {
    /// The group; null when refused.
    account_group: PayloadField<AccountGroup>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Input of `updateAccountGroup`.
#[derive(InputObject)]
struct UpdateAccountGroupInput {
    /// The ID of an AccountGroup.
    group_id: ID,
    /// The new name, 1 to 255 characters after trimming.
    name: String,
    /// A key of your own, as in `createAccountGroup`; unchanged when left out, null takes it away.
    key: MaybeUndefined<String>,
}

/// Answer of `updateAccountGroup`.
#[derive(SimpleObject)]
struct UpdateAccountGroupPayload {
    /// The group; null when refused.
    account_group: PayloadField<AccountGroup>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Input of `deleteAccountGroup`.
#[derive(InputObject)]
struct DeleteAccountGroupInput {
    /// The ID of an AccountGroup.
    group_id: ID,
}

/// Answer of `deleteAccountGroup`.
#[derive(SimpleObject)]
struct DeleteAccountGroupPayload {
    /// The ID that the group had; null when refused.
    deleted_group_id: Option<ID>,
    /// How many installations froze; null when refused.
    frozen_count: Option<i32>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Input of `addAccountsToGroup`.
#[derive(InputObject)]
struct AddAccountsToGroupInput {
    /// The ID of an AccountGroup.
    group_id: ID,
    /// 1 to 100 IDs of ManagedAccounts.
    account_ids: Vec<ID>,
}

/// Answer of `addAccountsToGroup`.
#[derive(SimpleObject)]
struct AddAccountsToGroupPayload {
    /// The group; null when refused.
    account_group: PayloadField<AccountGroup>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Input of `removeAccountsFromGroup`.
#[derive(InputObject)]
struct RemoveAccountsFromGroupInput {
    /// The ID of an AccountGroup.
    group_id: ID,
    /// 1 to 100 IDs of ManagedAccounts.
    account_ids: Vec<ID>,
}

/// Answer of `removeAccountsFromGroup`.
#[derive(SimpleObject)]
struct RemoveAccountsFromGroupPayload {
    /// The group; null when refused.
    account_group: PayloadField<AccountGroup>,
    /// How many installations froze; null when refused.
    frozen_count: Option<i32>,
    /// Why it was refused; empty when it was done.
    errors: Vec<SharingError>,
}

/// Account groups.
#[derive(Default)]
pub(in crate::graphql) struct Groups;

#[Object]
impl Groups {
    /// Makes an account group. Codes: CLIENT_REQUEST_ID_REUSED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, KEY_INVALID, KEY_TAKEN.
    async fn create_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new group's name and key.")] input: CreateAccountGroupInput,
    ) -> Result<CreateAccountGroupPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let new = NewGroup { name: input.name, key: input.key };
        let outcome = create_group(ctx.services(), &caller, new, input.client_request_id.as_deref()).await;
        let (account_group, errors) = answer(ctx, outcome, |id| AccountGroup::by_id(ctx, id)).await?;
        Ok(CreateAccountGroupPayload { account_group, errors })
    }

    /// Renames an account group, or changes its key. Codes: ALL_ACCOUNTS_IS_FIXED, NAME_REQUIRED, NAME_TOO_LONG, NAME_TAKEN, KEY_INVALID, KEY_TAKEN.
    async fn update_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and its new name and key.")] input: UpdateAccountGroupInput,
    ) -> Result<UpdateAccountGroupPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let id = ids::group_id(&input.group_id)?;
        let edit = GroupEdit { name: input.name, key: change(input.key) };
        let outcome = update_group(ctx.services(), &caller, id, edit).await;
        let (account_group, errors) = answer(ctx, outcome, |()| AccountGroup::by_id(ctx, id)).await?;
        Ok(UpdateAccountGroupPayload { account_group, errors })
    }

    /// Deletes an account group and with it the grants that it gave. Codes: ALL_ACCOUNTS_IS_FIXED.
    async fn delete_account_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group to delete.")] input: DeleteAccountGroupInput,
    ) -> Result<DeleteAccountGroupPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let id = ids::group_id(&input.group_id)?;
        let (frozen, errors) = result_and_errors(ctx, delete_group(ctx.services(), &caller, id).await)?;
        let deleted_group_id = frozen.is_some().then_some(input.group_id);
        Ok(DeleteAccountGroupPayload { deleted_group_id, frozen_count: frozen.map(count), errors })
    }

    /// Puts managed accounts into a group, all or none. Codes: ALL_ACCOUNTS_IS_FIXED, EMPTY_LIST, TOO_MANY, ALREADY_IN_GROUP.
    async fn add_accounts_to_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and the managed accounts that come into it.")] input: AddAccountsToGroupInput,
    ) -> Result<AddAccountsToGroupPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let (id, accounts) = (ids::group_or_nothing(&input.group_id), ids::managed_account_ids(&input.account_ids));
        let outcome = add_accounts(ctx.services(), &caller, id, accounts).await;
        let (account_group, errors) = answer(ctx, outcome, |()| AccountGroup::by_id(ctx, id)).await?;
        Ok(AddAccountsToGroupPayload { account_group, errors })
    }

    /// Takes managed accounts out of a group, all or none. Codes: ALL_ACCOUNTS_IS_FIXED, EMPTY_LIST, TOO_MANY, NOT_IN_GROUP.
    async fn remove_accounts_from_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The group, and the managed accounts that leave it.")] input: RemoveAccountsFromGroupInput,
    ) -> Result<RemoveAccountsFromGroupPayload> {
        let caller = publisher(ctx, Privilege::AccountGroupManagement)?;
        let (id, accounts) = (ids::group_or_nothing(&input.group_id), ids::managed_account_ids(&input.account_ids));
        let outcome = remove_accounts(ctx.services(), &caller, id, accounts).await;
        let frozen_count = outcome.as_ref().ok().copied().map(count);
        let (account_group, errors) = answer(ctx, outcome, |_| AccountGroup::by_id(ctx, id)).await?;
        Ok(RemoveAccountsFromGroupPayload { account_group, frozen_count, errors })
    }
}
