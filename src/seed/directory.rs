//! Generates the publisher, its managed accounts, and their groups.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::rng::{For, Rng};
use super::{Options, words};
use crate::domain::accounts::{
    ALL_ACCOUNTS, Account, AccountGroup, AccountKind, AccountStatus, Actor, ActorKind, ApiToken, Role,
};
use crate::domain::id::{AccountId, TokenId};
use crate::domain::{Instant, text};

/// How many days before the present the publisher was created.
pub(super) const DAYS: i64 = 720;
/// One in so many accounts is suspended.
const SUSPENDED: usize = 101;

/// A managed account that has enrolled.
#[derive(Clone, Debug)]
pub struct GeneratedAccount {
    pub account: Account,
    pub name_key: String,
    /// The token of the account's administrator.
    pub token: ApiToken,
    /// The hash of an unknown secret.
    pub secret_hash: [u8; 32],
    /// The spent enrolment token: its id, and the hash of an unknown secret.
    pub enrolment: (uuid::Uuid, [u8; 32]),
}

/// A group, and the indexes of its member accounts in ascending order.
#[derive(Clone, Debug)]
pub struct GroupMembers {
    pub group: AccountGroup,
    pub members: Vec<u32>,
}

/// All accounts and groups.
#[derive(Clone, Debug)]
pub struct Directory {
    pub publisher: Account,
    /// The token of the publisher's administrator.
    pub token: ApiToken,
    pub accounts: Vec<GeneratedAccount>,
    /// All Accounts comes first.
    pub groups_with_members: Vec<GroupMembers>,
    names: HashMap<AccountId, String>,
    /// The present of the world.
    pub(super) now: Instant,
}

impl Directory {
    pub(super) fn new(options: &Options) -> Self {
        let mut rng = Rng::new(options.seed, For::Publisher, 0);
        let began = options.at - TimeDelta::days(DAYS);
        let id: AccountId = rng.id(began);
        let publisher = Account {
            id,
            kind: AccountKind::Publisher,
            publisher_id: id,
            name: words::PUBLISHER.into(),
            time_zone: Some(words::PUBLISHER_ZONE.into()),
            status: AccountStatus::Active,
            suspended_at: None,
            enrolled_at: Some(began),
            key: None,
            created_at: began,
        };
        let token = token(rng.id(began), id, began, Actor::command_line());
        let accounts: Vec<_> =
            (0..options.accounts).map(|index| generated_account(options, id, began, index)).collect();
        let everybody = (0..).take(accounts.len()).collect();
        let mut groups_with_members = vec![GroupMembers {
            group: group(id, rng.id(began), ALL_ACCOUNTS.into(), true, began),
            members: everybody,
        }];
        groups_with_members.extend((0..options.groups).map(|index| group_members(options, id, began, index)));
        let all = accounts.iter().map(|generated_account| &generated_account.account).chain([&publisher]);
        let names = all.map(|account| (account.id, account.name.clone())).collect();
        Self { publisher, token, accounts, groups_with_members, names, now: options.at }
    }

    #[must_use]
    pub fn name_of(&self, account: AccountId) -> Option<String> {
        self.names.get(&account).cloned()
    }

    /// The actor of the publisher's changes.
    pub(super) fn actor(&self) -> Actor {
        actor(&self.token)
    }
}

/// The actor of changes made with a token.
pub(super) fn actor(token: &ApiToken) -> Actor {
    Actor {
        kind: ActorKind::ApiToken,
        name: token.name.clone(),
        token_id: Some(token.id),
        account_id: Some(token.account_id),
    }
}

/// The actor of an account's enrolment.
pub(super) fn enrolment(account: AccountId) -> Actor {
    Actor { kind: ActorKind::ApiToken, name: "enrolment token".into(), token_id: None, account_id: Some(account) }
}

fn token(id: TokenId, account: AccountId, at: Instant, by: Actor) -> ApiToken {
    ApiToken {
        id,
        account_id: account,
        name: "administrator".into(),
        role: Role::Administrator,
        created_at: at,
        created_by: by,
        last_used_at: None,
        expires_at: None,
        revoked_at: None,
        replaced_by: None,
    }
}

fn generated_account(options: &Options, publisher: AccountId, began: Instant, index: usize) -> GeneratedAccount {
    let mut rng = Rng::new(options.seed, For::Account, index);
    // The first account exists from the beginning and is never suspended, because the user gets its token.
    let created = if index == 0 { began + TimeDelta::days(1) } else { rng.days_after(began, 1, DAYS - 40) };
    let enrolled = created + TimeDelta::minutes(rng.range(5, 3 * 24 * 60));
    let suspended = index % SUSPENDED == SUSPENDED - 1;
    let suspended_at = suspended.then(|| rng.days_after(options.at, -150, -10).max(enrolled + TimeDelta::days(1)));
    let id = rng.id(created);
    let account = Account {
        id,
        kind: AccountKind::Managed,
        publisher_id: publisher,
        name: words::account(index),
        time_zone: rng.percent(80).then(|| words::zone(&mut rng).to_owned()),
        status: if suspended { AccountStatus::Suspended } else { AccountStatus::Active },
        suspended_at,
        enrolled_at: Some(enrolled),
        key: None,
        created_at: created,
    };
    GeneratedAccount {
        name_key: text::key(&account.name),
        token: token(rng.id(enrolled), id, enrolled, enrolment(id)),
        secret_hash: rng.bytes(),
        enrolment: (rng.id(created), rng.bytes()),
        account,
    }
}

fn group(publisher: AccountId, id: crate::domain::id::GroupId, name: String, all: bool, at: Instant) -> AccountGroup {
    AccountGroup { id, publisher_id: publisher, name, is_all_accounts: all, created_at: at, key: None }
}

fn group_members(options: &Options, publisher: AccountId, began: Instant, index: usize) -> GroupMembers {
    let mut rng = Rng::new(options.seed, For::Group, index);
    let created = rng.days_after(began, 0, 60);
    let group = group(publisher, rng.id(created), words::group(index), false, created);
    // A group has between 0.2 % and a third of the accounts; large groups are rare.
    let share = 2 + rng.below(19) * rng.below(19);
    let mut members: Vec<u32> = (0..)
        .take(options.accounts)
        .filter(|account| (*account == 0 && index < 3) || rng.below(1000) < share)
        .collect();
    if members.is_empty() {
        members.push(u32::try_from(rng.nth(options.accounts)).unwrap_or(0));
    }
    GroupMembers { group, members }
}
