//! A large world for load tests: the same for the same number, options and instant, ids included.
//!
//! Here it is only thought up, thing by thing, without a database and without a clock: `store/write/seed.rs`
//! writes it, `cli/seed.rs` brings both together. What is kept up on rows is what the services would have
//! kept: where a rule of `domain` says so, it is asked.

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
use crate::domain::pack::InstallationType;

pub use self::catalogue::Built;
pub use self::field::{Came, Field, Part, Planted};
pub use self::library::Template;
pub use self::life::{Issue, Life};
pub use self::log::Noted;
pub use self::people::{Circle, People, Person};

/// How large a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The same number makes the same world.
    pub seed: u64,
    /// The present of the world: what has been was before, what is pending comes after.
    pub at: Instant,
    pub packs: usize,
    pub installations: usize,
    pub accounts: usize,
    /// Beside All Accounts.
    pub groups: usize,
    pub components: usize,
}

/// The most installations of one MULTI pack in an account, on the average.
const MULTI_MAX: usize = 20;

/// More installations were asked for than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Into {packs} packs and {accounts} accounts of this seed go {most} installations at the most: ask for fewer, or for more with --packs or --accounts."
)]
pub struct NoRoom {
    pub packs: usize,
    pub accounts: usize,
    pub most: usize,
}

/// A world, all but its installations: they are made pack by pack.
#[derive(Debug)]
pub struct World {
    pub options: Options,
    pub people: People,
    pub components: Vec<Built>,
    /// What was ever in the process library.
    pub templates: Vec<Template>,
    lives: Vec<Life>,
    /// How many installations each pack is to have.
    wanted: Vec<usize>,
}

/// A pack with its life, whom it is shared with, and its installations.
#[derive(Debug)]
pub struct Told<'a> {
    pub life: Life,
    pub groups: Vec<GroupId>,
    /// The accounts that can see it since its first release.
    pub announced: Vec<AccountId>,
    pub field: Field<'a>,
    /// What the audit log says of the pack and its releases.
    pub entries: Vec<Noted>,
}

impl World {
    /// Thinks up a world.
    ///
    /// # Errors
    /// [`NoRoom`].
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

    /// The packs, one after the other. What doesn't fit into one, because accounts came too late to it, goes
    /// into the next.
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

    /// Groups with room for the installations, and who is in them; All Accounts where none has it.
    fn share(&self, life: &Life, wanted: usize, dice: &mut Dice) -> (Vec<&Circle>, BTreeSet<u32>) {
        let single = life.pack.installation_type == InstallationType::Single;
        let room = if single { wanted + wanted / 4 } else { wanted / 2 };
        let Some((everybody, others)) = self.people.circles.split_first() else { return (Vec::new(), BTreeSet::new()) };
        // Not much larger than it has to be, and not always the same one.
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

/// How many installations each pack is to have: few packs have most of them.
fn distribute(options: &Options, lives: &[Life]) -> Result<Vec<usize>, NoRoom> {
    // Not every account can have every pack: one was suspended before, one came later.
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

/// The present of a world that isn't told another: the beginning of the day, so that two worlds of one day
/// are the same.
#[must_use]
pub fn beginning_of_day(now: Instant) -> Instant {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}
