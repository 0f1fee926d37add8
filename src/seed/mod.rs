//! Generates a large world for load tests. The same seed, options and instant give the same world, ids included.
//!
//! This module doesn't use the database or a clock. `store/seed/mod.rs` writes the world, and `cli/seed.rs` connects
//! the two. Derived values on rows are those that the services would have stored; where `domain` has a rule for them,
//! the rule computes them.

mod catalogue;
mod diary;
mod dice;
mod field;
mod library;
mod life;
mod log;
mod packs;
mod people;
mod sower;
mod words;

use std::collections::BTreeSet;

use chrono::NaiveTime;

use self::dice::{Dice, For};
use crate::domain::Instant;
use crate::domain::id::{AccountId, GroupId};
use crate::domain::packs::InstallationType;

pub use self::catalogue::Built;
pub use self::field::{Came, Field, Part, Planted};
pub use self::library::Template;
pub use self::life::{Issue, Life};
pub use self::log::Noted;
pub use self::people::{Circle, People, Person};

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
    "Into {packs} packs and {accounts} accounts of this seed go {most} installations at the most: ask for fewer, or for more with --packs or --accounts."
)]
pub struct NoRoom {
    pub packs: usize,
    pub accounts: usize,
    pub most: usize,
}

/// A world without its installations, which are generated pack by pack.
#[derive(Debug)]
pub struct World {
    pub options: Options,
    pub people: People,
    pub components: Vec<Built>,
    /// The templates of the process library, including withdrawn ones.
    pub templates: Vec<Template>,
    lives: Vec<Life>,
    /// The planned number of installations of each pack.
    wanted: Vec<usize>,
}

/// A pack with its history, its groups and its installations.
#[derive(Debug)]
pub struct Told<'a> {
    pub life: Life,
    pub groups: Vec<GroupId>,
    /// The accounts that have seen the pack since its first release.
    pub announced: Vec<AccountId>,
    pub field: Field<'a>,
    /// The audit entries about the pack and its releases.
    pub entries: Vec<Noted>,
}

impl World {
    /// Generates a world without installations. Fails when the installations don't fit.
    pub fn new(options: Options) -> Result<Self, NoRoom> {
        let people = People::new(&options);
        let mut components = catalogue::build(&options, &people);
        let lives: Vec<_> =
            (0..options.packs).map(|index| packs::life(&options, &people, &components, index)).collect();
        let templates = library::templates(&options, &people, &components);
        let in_library = templates.iter().map(|template| template.process.component_version_id);
        let held = lives.iter().flat_map(Life::holds).chain(in_library).collect();
        catalogue::tidy(&options, &mut components, &held);
        let wanted = distribute(&options, &lives)?;
        Ok(Self { options, people, components, templates, lives, wanted })
    }

    /// Generates the packs, one after the other. When a pack has too little room, because its accounts were created too
    /// late, the next pack gets the missing installations.
    pub fn packs(&self) -> impl Iterator<Item = Told<'_>> {
        let mut missing = 0;
        self.lives.iter().zip(&self.wanted).enumerate().map(move |(index, (life, wanted))| {
            let asked = if life.can_be_installed() { wanted + missing } else { 0 };
            let told = self.tell(index, life.clone(), asked);
            missing = (missing + wanted).saturating_sub(told.field.live());
            told
        })
    }

    fn tell(&self, index: usize, mut life: Life, wanted: usize) -> Told<'_> {
        let mut dice = Dice::new(self.options.seed, For::Shares, index);
        let (circles, granted) = self.share(&life, wanted, &mut dice);
        let field = Field::plant(&self.options, &self.people, &mut life, index, &granted, wanted);
        let entries = log::of_life(&self.options, &self.people, index, &life, &circles, field.len());
        let account = |place: &u32| self.people.accounts.get(*place as usize).map(|person| person.account.id);
        let mut told = Told { life, groups: Vec::new(), announced: Vec::new(), field, entries };
        if told.life.pack.deleted_at.is_none() {
            told.groups = circles.iter().map(|circle| circle.group.id).collect();
            if told.life.pack.standing.current_version.is_some() {
                told.announced = granted.iter().filter_map(account).collect();
            }
        }
        told
    }

    /// Chooses groups with enough accounts for the installations; All Accounts if no group is large enough.
    fn share(&self, life: &Life, wanted: usize, dice: &mut Dice) -> (Vec<&Circle>, BTreeSet<u32>) {
        let single = life.pack.installation_type == InstallationType::Single;
        let room = if single { wanted + wanted / 4 } else { wanted / 2 };
        let Some((everybody, others)) = self.people.circles.split_first() else { return (Vec::new(), BTreeSet::new()) };
        // One of the smallest groups that are large enough, so that packs differ.
        let mut fitting: Vec<&Circle> = others.iter().filter(|circle| circle.members.len() > room).collect();
        fitting.sort_by_key(|circle| circle.members.len());
        let place = dice.place(fitting.len().min(4));
        let mut circles: Vec<&Circle> = fitting.get(place).copied().into_iter().collect();
        if circles.is_empty() || dice.percent(1) {
            return (vec![everybody], everybody.members.iter().copied().collect());
        }
        if dice.percent(30) {
            let another = &others[dice.place(others.len())];
            let known = circles.iter().any(|circle| circle.group.id == another.group.id);
            circles.extend((!known && another.members.len() <= room * 2).then_some(another));
        }
        let granted = circles.iter().flat_map(|circle| circle.members.iter().copied()).collect();
        (circles, granted)
    }
}

/// The planned number of installations of each pack. A few packs get most of them.
fn distribute(options: &Options, lives: &[Life]) -> Result<Vec<usize>, NoRoom> {
    // Some accounts can't have every pack: they were suspended too early or created too late.
    let each = options.accounts - options.accounts / 20;
    let room = |life: &Life| match (life.can_be_installed(), life.pack.installation_type) {
        (false, _) => 0,
        (true, InstallationType::Single) => each,
        (true, InstallationType::Multi) => each * MULTI_MAX,
    };
    let rooms: Vec<usize> = lives.iter().map(room).collect();
    let most: usize = rooms.iter().sum();
    if options.installations > most {
        return Err(NoRoom { packs: options.packs, accounts: options.accounts, most });
    }
    let mut wanted = vec![0; lives.len()];
    let mut left = options.installations;
    while left > 0 {
        let open: Vec<usize> = (0..lives.len()).filter(|index| wanted[*index] < rooms[*index]).collect();
        let weight = |index: usize| 1_000_000_000 / (index + 4);
        let total: usize = open.iter().map(|index| weight(*index)).sum();
        let share = left;
        for index in open {
            let part = (share as u128 * weight(index) as u128 / total.max(1) as u128) as usize;
            let part = part.max(1).min(left).min(rooms[index] - wanted[index]);
            wanted[index] += part;
            left -= part;
        }
    }
    Ok(wanted)
}

/// The default present of a world: the beginning of the day, so that two worlds of the same day are equal.
#[must_use]
pub fn beginning_of_day(now: Instant) -> Instant {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}
