//! Generates a large world for load tests. The same seed, options and instant give the same world, ids included.
//!
//! This module doesn't use the database or a clock. `store/seed/mod.rs` writes the world, and `cli/seed.rs` connects
//! the two. Derived values on rows are those that the services would have stored; where `domain` has a rule for them,
//! the rule computes them.

mod catalogue;
mod directory;
mod history;
mod installation_log;
mod installations;
mod library;
mod log;
mod packs;
mod picker;
mod rng;
mod words;

use std::collections::BTreeSet;

use chrono::NaiveTime;

use self::rng::{For, Rng};
use crate::domain::Instant;
use crate::domain::id::{AccountId, GroupId};
use crate::domain::packs::InstallationType;

pub use self::catalogue::GeneratedComponent;
pub use self::directory::{Directory, GeneratedAccount, GroupMembers};
pub use self::history::{GeneratedRelease, History};
pub use self::installations::{GeneratedInstallation, GeneratedUpdate, PackInstallations, Part};
pub use self::library::Template;
pub use self::log::GeneratedEntry;

/// The size and the seed of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The same number gives the same world.
    pub seed: u64,
    /// The present of the world. Pending releases lie after it.
    pub at: Instant,
    pub packs: usize,
    pub installations: usize,
    pub accounts: usize,
    /// The number of groups beside All Accounts.
    pub groups: usize,
    pub components: usize,
}

/// The most installations of one MULTI pack per account, on average.
const MULTI_MAX: usize = 20;

/// The error for more installations than the packs and accounts have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The {packs} packs and {accounts} accounts of this seed have room for {most} installations at most: ask for fewer installations, or for more packs or accounts with --packs or --accounts."
)]
pub struct TooFewAccounts {
    pub packs: usize,
    pub accounts: usize,
    pub most: usize,
}

/// A world without its installations, which are generated pack by pack.
#[derive(Debug)]
pub struct World {
    pub options: Options,
    pub directory: Directory,
    pub components: Vec<GeneratedComponent>,
    /// The templates of the process library, including withdrawn ones.
    pub templates: Vec<Template>,
    histories: Vec<History>,
    /// The planned number of installations of each pack.
    target: Vec<usize>,
}

/// A pack with its history, its groups and its installations.
#[derive(Debug)]
pub struct GeneratedPack<'a> {
    pub history: History,
    pub groups: Vec<GroupId>,
    /// The accounts that have seen the pack since its first release.
    pub announced: Vec<AccountId>,
    pub field: PackInstallations<'a>,
    /// The audit entries about the pack and its releases.
    pub entries: Vec<GeneratedEntry>,
}

impl World {
    /// Generates a world without installations. Fails when the installations don't fit.
    pub fn new(options: Options) -> Result<Self, TooFewAccounts> {
        let directory = Directory::new(&options);
        let mut components = catalogue::build(&options, &directory);
        let histories: Vec<_> =
            (0..options.packs).map(|index| packs::history(&options, &directory, &components, index)).collect();
        let templates = library::templates(&options, &directory, &components);
        let in_library = templates.iter().map(|template| template.process.component_version_id);
        let in_use = histories.iter().flat_map(History::holds).chain(in_library).collect();
        catalogue::tidy(&options, &mut components, &in_use);
        let target = distribute(&options, &histories)?;
        Ok(Self { options, directory, components, templates, histories, target })
    }

    /// Generates the packs, one after the other. When a pack has too little room, because its accounts were created too
    /// late, the next pack gets the missing installations.
    pub fn packs(&self) -> impl Iterator<Item = GeneratedPack<'_>> {
        let mut missing = 0;
        self.histories.iter().zip(&self.target).enumerate().map(move |(index, (history, target))| {
            let requested = if history.can_be_installed() { target + missing } else { 0 };
            let generated_pack = self.generate(index, history.clone(), requested);
            missing = (missing + target).saturating_sub(generated_pack.field.live());
            generated_pack
        })
    }

    fn generate(&self, index: usize, mut history: History, target: usize) -> GeneratedPack<'_> {
        let mut rng = Rng::new(self.options.seed, For::Shares, index);
        let (groups_with_members, granted) = self.share(&history, target, &mut rng);
        let field = PackInstallations::plan(&self.options, &self.directory, &mut history, index, &granted, target);
        let entries =
            log::entries_of_pack(&self.options, &self.directory, index, &history, &groups_with_members, field.len());
        let account = |nth: &u32| {
            self.directory.accounts.get(*nth as usize).map(|generated_account| generated_account.account.id)
        };
        let mut generated_pack = GeneratedPack { history, groups: Vec::new(), announced: Vec::new(), field, entries };
        if generated_pack.history.pack.deleted_at.is_none() {
            generated_pack.groups = groups_with_members.iter().map(|group_members| group_members.group.id).collect();
            if generated_pack.history.pack.standing.current_version.is_some() {
                generated_pack.announced = granted.iter().filter_map(account).collect();
            }
        }
        generated_pack
    }

    /// Chooses groups with enough accounts for the installations; All Accounts if no group is large enough.
    fn share(&self, history: &History, target: usize, rng: &mut Rng) -> (Vec<&GroupMembers>, BTreeSet<u32>) {
        let single = history.pack.installation_type == InstallationType::Single;
        let room = if single { target + target / 4 } else { target / 2 };
        let Some((everybody, others)) = self.directory.groups_with_members.split_first() else {
            return (Vec::new(), BTreeSet::new());
        };
        // One of the smallest groups that are large enough, so that packs differ.
        let mut fitting: Vec<&GroupMembers> =
            others.iter().filter(|group_members| group_members.members.len() > room).collect();
        fitting.sort_by_key(|group_members| group_members.members.len());
        let nth = rng.nth(fitting.len().min(4));
        let mut groups_with_members: Vec<&GroupMembers> = fitting.get(nth).copied().into_iter().collect();
        if groups_with_members.is_empty() || rng.percent(1) {
            return (vec![everybody], everybody.members.iter().copied().collect());
        }
        if rng.percent(30) {
            let another = &others[rng.nth(others.len())];
            let is_chosen = groups_with_members.iter().any(|group_members| group_members.group.id == another.group.id);
            groups_with_members.extend((!is_chosen && another.members.len() <= room * 2).then_some(another));
        }
        let granted =
            groups_with_members.iter().flat_map(|group_members| group_members.members.iter().copied()).collect();
        (groups_with_members, granted)
    }
}

/// The planned number of installations of each pack. A few packs get most of them.
fn distribute(options: &Options, histories: &[History]) -> Result<Vec<usize>, TooFewAccounts> {
    // Some accounts can't have every pack: they were suspended too early or created too late.
    let each = options.accounts - options.accounts / 20;
    let room = |history: &History| match (history.can_be_installed(), history.pack.installation_type) {
        (false, _) => 0,
        (true, InstallationType::Single) => each,
        (true, InstallationType::Multi) => each * MULTI_MAX,
    };
    let rooms: Vec<usize> = histories.iter().map(room).collect();
    let most: usize = rooms.iter().sum();
    if options.installations > most {
        return Err(TooFewAccounts { packs: options.packs, accounts: options.accounts, most });
    }
    let mut target = vec![0; histories.len()];
    let mut left = options.installations;
    while left > 0 {
        let open: Vec<usize> = (0..histories.len()).filter(|index| target[*index] < rooms[*index]).collect();
        let weight = |index: usize| 1_000_000_000 / (index + 4);
        let total: usize = open.iter().map(|index| weight(*index)).sum();
        let share = left;
        for index in open {
            let part = (share as u128 * weight(index) as u128 / total.max(1) as u128) as usize;
            let part = part.max(1).min(left).min(rooms[index] - target[index]);
            target[index] += part;
            left -= part;
        }
    }
    Ok(target)
}

/// The default present of a world: the beginning of the day, so that two worlds of the same day are equal.
#[must_use]
pub fn beginning_of_day(now: Instant) -> Instant {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}
