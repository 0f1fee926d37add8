//! `packwright seed`: fills an empty database with a large world for load tests.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant as Moment};

use chrono::SubsecRound as _;
use clap::Args;

use crate::app::AppError;
use crate::clock::Clock;
use crate::config::number;
use crate::domain::Instant;
use crate::domain::components::{Component, VersionKind};
use crate::domain::id::AccountId;
use crate::domain::log::audit::{Recorded, Subject, SubjectKey};
use crate::seed::{Built, Noted, Options, Planted, Told, World, beginning_of_day};
use crate::store::seed::{Load, SeededComponent, SeededInstallation, SeededPack, SeededRelease};
use crate::store::{Db, DbOptions};
use crate::{ids, telemetry};

use super::ending::Signals;
use super::{Common, Trouble, print};

/// The options of `packwright seed`.
#[derive(Args, Debug)]
pub(super) struct SeedArgs {
    /// How many packs to make
    #[arg(long, value_name = "N", env = "PACKWRIGHT_SEED_PACKS", default_value_t = 200, value_parser = number::<u32>(1..=100_000, 200))]
    packs: u32,

    /// How many installations to make, over all packs
    #[arg(long, value_name = "N", env = "PACKWRIGHT_SEED_INSTALLATIONS", default_value_t = 20_000, value_parser = number::<u32>(0..=20_000_000, 20_000))]
    installations: u32,

    /// How many managed accounts to make. Without this option one for every twenty installations, and at least ten
    #[arg(long, value_name = "N", env = "PACKWRIGHT_SEED_ACCOUNTS", value_parser = number::<u32>(1..=1_000_000, 2_000))]
    accounts: Option<u32>,

    /// How many account groups to make, beside the group All Accounts
    #[arg(long, value_name = "N", env = "PACKWRIGHT_SEED_GROUPS", default_value_t = 40, value_parser = number::<u32>(0..=1_000, 40))]
    groups: u32,

    /// How many components to make. Without this option four for every pack, and at least forty
    #[arg(long, value_name = "N", env = "PACKWRIGHT_SEED_COMPONENTS", value_parser = number::<u32>(1..=400_000, 1_000))]
    components: Option<u32>,

    /// Which world to make. The same number with the same options and the same --at makes the same world, ids included
    #[arg(long, value_name = "NUMBER", env = "PACKWRIGHT_SEED", default_value_t = 1)]
    seed: u64,

    /// The instant at which the world ends, such as 2027-01-31T00:00:00Z; pending releases start in the days after it.
    /// Without this option the beginning of today, in UTC
    #[arg(long, value_name = "INSTANT", env = "PACKWRIGHT_SEED_AT", value_parser = super::instant)]
    at: Option<Instant>,

    #[command(flatten)]
    common: Common,
}

impl SeedArgs {
    fn options(&self, now: Instant) -> Result<Options, Trouble> {
        let at = self.at.map_or_else(|| beginning_of_day(now), |at| at.trunc_subsecs(6));
        if at > now {
            let why = "The present of the world can't lie in the future: give an earlier --at, or leave it out.";
            return Err(Trouble::new(why));
        }
        let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(Options {
            seed: self.seed,
            at,
            packs: size(self.packs),
            installations: size(self.installations),
            accounts: size(self.accounts.unwrap_or_else(|| (self.installations / 20).max(10))),
            groups: size(self.groups),
            components: size(self.components.unwrap_or_else(|| (self.packs.saturating_mul(4)).max(40))),
        })
    }
}

/// The progress of a load.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The number of installations so far, without uninstalled ones.
    pub installations: usize,
    pub of: usize,
}

/// The result of a load, with the tokens of the world, which are shown only once.
#[derive(Debug)]
pub struct Filled {
    pub installations: usize,
    pub updates: usize,
    pub publisher: String,
    pub publisher_secret: String,
    pub account: String,
    pub account_secret: String,
}

pub(super) async fn run(args: SeedArgs) -> Result<(), Trouble> {
    let options = args.options(Clock::system().now())?;
    let world = World::new(options)?;
    let stopped = "Stopped before the end: the database is as empty as it was. Run the command again for a world.";
    let mut signals = Signals::caught()?;
    let db = tokio::select! {
        db = connect(&args.common) => db?,
        _ = signals.next() => return Err(Trouble::new(stopped)),
    };
    let mut meter = Meter::new();
    let filled = tokio::select! {
        filled = fill(&db, &world, |progress| meter.show(progress)) => filled,
        _ = signals.next() => Err(Trouble::new(stopped)),
    };
    meter.end();
    print(&describe(&options, &filled?, meter.begun.elapsed()));
    Ok(db.close().await?)
}

/// Connects to the database, and migrates it if it is new. A database with a former schema isn't changed.
async fn connect(common: &Common) -> Result<Db, Trouble> {
    telemetry::start(&common.log).map_err(Trouble::new)?;
    let options = DbOptions { max_connections: common.database.database_connections, ..DbOptions::default() };
    let options = options.for_migration();
    let db = Db::connect(&common.database.address()?.reveal(), options).await?;
    let migrations = db.migrations().await?;
    if migrations.iter().all(|(_, applied)| !applied) {
        db.migrate().await?;
    } else if migrations.iter().any(|(_, applied)| !applied) {
        return Err(AppError::Pending(db.shown().to_owned()).into());
    }
    Ok(db)
}

/// Loads a world into an empty database, in one transaction.
///
/// # Errors
/// A message for the user, when the database isn't empty or can't be written.
pub async fn fill(db: &Db, world: &World, mut report: impl FnMut(Progress)) -> Result<Filled, Trouble> {
    let Some(mut load) = Load::begin(db).await? else {
        return Err(Trouble::new(
            "The database has accounts already, and a world for load tests is made in an empty one: name another with --database-url or DATABASE_URL.",
        ));
    };
    let mut filled = people(&mut load, world).await?;
    components(&mut load, world).await?;
    library(&mut load, world).await?;
    for told in world.packs() {
        pack(&mut load, world, told, &mut filled, |made| {
            report(Progress { installations: made, of: world.options.installations });
        })
        .await?;
    }
    load.rows().entries([entry(world, world.seeded(filled.installations))]);
    load.finish().await?;
    Ok(filled)
}

async fn people(load: &mut Load, world: &World) -> Result<Filled, Trouble> {
    let people = &world.people;
    let first = people.accounts.first().ok_or_else(|| Trouble::new("a world without accounts"))?;
    // These secrets don't derive from the seed, because the seed may be public.
    let filled = Filled {
        installations: 0,
        updates: 0,
        publisher: people.publisher.name.clone(),
        publisher_secret: ids::secret("pwt_"),
        account: first.account.name.clone(),
        account_secret: ids::secret("pwt_"),
    };
    load.rows().account(&people.publisher);
    load.rows().token(&people.token, ids::hash(&filled.publisher_secret));
    load.rows().entries(entries(world, world.of_publisher()));
    for (index, person) in people.accounts.iter().enumerate() {
        let hash = if index == 0 { ids::hash(&filled.account_secret) } else { person.secret_hash.to_vec() };
        let (id, spent) = &person.enrolment;
        let rows = load.rows();
        rows.account(&person.account);
        rows.token(&person.token, hash);
        rows.enrolment(&person.account, (*id, spent), person.account.created_at + chrono::Duration::days(7));
        rows.entries(entries(world, world.of_person(index, person)));
        load.flush_if_much().await?;
    }
    for (index, circle) in people.circles.iter().enumerate() {
        let member = |place: &u32| people.accounts.get(*place as usize).map(|person| person.account.id);
        load.rows().group(&circle.group, circle.members.iter().filter_map(member));
        load.rows().entries(entries(world, world.of_circle(index, circle)));
        load.flush_if_much().await?;
    }
    Ok(filled)
}

async fn components(load: &mut Load, world: &World) -> Result<(), Trouble> {
    for (index, built) in world.components.iter().enumerate() {
        let rows = load.rows();
        rows.component(component(world, built));
        for package in &built.packages {
            rows.version(&built.component, &package.version, &package.manifest, package.deleted_at)?;
        }
        for publication in &built.publications {
            rows.version(&built.component, publication, &[], None)?;
        }
        rows.entries(entries(world, world.of_component(index, built)));
        load.flush_if_much().await?;
    }
    Ok(())
}

async fn library(load: &mut Load, world: &World) -> Result<(), Trouble> {
    for (index, template) in world.templates.iter().enumerate() {
        let rows = load.rows();
        rows.process(&template.process, &template.groups);
        for component in &template.copies {
            rows.component(copy(component));
            rows.copy(component, &template.process);
        }
        rows.entries(entries(world, world.of_template(index, template)));
        load.flush_if_much().await?;
    }
    Ok(())
}

/// A component without versions.
fn copy(component: &Component) -> SeededComponent<'_> {
    SeededComponent {
        component,
        latest_shareable: None,
        latest_publication: None,
        newest_at: None,
        newest_revision: 0,
        highest_label: None,
    }
}

fn component<'a>(world: &World, built: &'a Built) -> SeededComponent<'a> {
    let latest = |kind| built.latest(kind, world.options.at).map(|stamp| stamp.id);
    SeededComponent {
        component: &built.component,
        latest_shareable: latest(VersionKind::Package),
        latest_publication: latest(VersionKind::Publication),
        newest_at: built.newest().map(|version| version.created_at),
        newest_revision: built.revision(),
        highest_label: Some(&built.highest_label),
    }
}

async fn pack(
    load: &mut Load,
    world: &World,
    mut told: Told<'_>,
    filled: &mut Filled,
    mut made: impl FnMut(usize),
) -> Result<(), Trouble> {
    let life = &told.life;
    load.rows().pack(SeededPack {
        pack: &life.pack,
        rows: &life.rows,
        keys: &life.keys,
        groups: &told.groups,
        announced: &told.announced,
    })?;
    for issue in &life.issues {
        let (release, version, content) = (&issue.release, &issue.version, &issue.content);
        let progressed_at = issue.progressed_at;
        load.rows().release(SeededRelease { release, progressed_at, version, content });
    }
    load.rows().entries(entries(world, told.entries));
    while let Some(part) = told.field.part(life) {
        let live = part.installations.iter().filter(|planted| planted.installation.uninstalled_at.is_none()).count();
        filled.installations += live;
        filled.updates += part.updates.len();
        for planted in part.installations {
            load.rows().installation(seeded(planted));
        }
        for came in part.updates {
            load.rows().update(came.update, came.attempts);
        }
        load.rows().entries(entries(world, part.entries));
        load.flush_if_much().await?;
        made(filled.installations);
    }
    for ((release, at), tally) in &told.field.tallies {
        load.rows().tally(*release, life.pack.id, *at, tally);
    }
    Ok(load.flush_if_much().await?)
}

fn seeded(planted: Planted) -> SeededInstallation {
    let Planted { installation, installation_type, name_key, account_name_key, frozen_at } = planted;
    SeededInstallation { installation, installation_type, name_key, account_name_key, frozen_at }
}

fn entries(world: &World, noted: Vec<Noted>) -> impl Iterator<Item = Recorded> {
    noted.into_iter().map(|noted| entry(world, noted))
}

fn entry(world: &World, noted: Noted) -> Recorded {
    let people = &world.people;
    let subject =
        |type_name: &str, id: String, name| Subject { key: SubjectKey { type_name: type_name.into(), id }, name };
    let own = |account: AccountId, name| Some(subject("OwnAccount", account.0.to_string(), name));
    let noted_subject = subject(noted.subject_type, noted.subject_id.to_string(), Some(noted.subject_name.clone()));
    let (subject, own_subject) = match (noted.account_id, noted.subject_type) {
        (Some(account), "ManagedAccount") => (noted_subject, own(account, Some(noted.subject_name))),
        (Some(account), "AccountGroup") => (noted_subject, own(account, people.name_of(account))),
        // A copy belongs to the account alone, so the publisher sees only the account (R53).
        (Some(account), "Component") => {
            (subject("ManagedAccount", account.0.to_string(), people.name_of(account)), Some(noted_subject))
        }
        _ => (noted_subject, None),
    };
    Recorded {
        id: noted.id.into(),
        publisher_id: people.publisher.id,
        account_id: noted.account_id,
        occurred_at: noted.occurred_at,
        actor_account_name: noted.actor.account_id.and_then(|account| people.name_of(account)),
        actor: noted.actor,
        action: noted.action.into(),
        subject,
        own_subject,
        changes: noted.changes,
        request_id: None,
    }
}

fn describe(options: &Options, filled: &Filled, took: Duration) -> String {
    let Options { seed, at, packs, accounts, .. } = options;
    let Filled { installations, updates, publisher, publisher_secret, account, account_secret } = filled;
    let at = crate::domain::instant::spelled(*at);
    let mut text = String::new();
    let _ = write!(
        text,
        "A world for load tests, and for nothing else: {packs} packs, {installations} installations in {accounts} accounts, {updates} updates, in {} s.
The same again: --seed {seed} --at {at} with the same options, on an empty database.

publisher, administrator   {publisher_secret}   {publisher}
account, administrator     {account_secret}   {account}
",
        took.as_secs()
    );
    text
}

/// Shows progress on standard error: continuously in one line on a terminal, otherwise now and then.
struct Meter {
    begun: Moment,
    shown: Option<Moment>,
    terminal: bool,
}

impl Meter {
    fn new() -> Self {
        Self { begun: Moment::now(), shown: None, terminal: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: Progress) {
        let pause = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
        if self.shown.is_some_and(|shown| shown.elapsed() < pause) {
            return;
        }
        self.shown = Some(Moment::now());
        let (begin, end) = if self.terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        let _ = write!(std::io::stderr(), "{begin}{}{end}", line(progress, self.begun.elapsed()));
    }

    fn end(&self) {
        if self.terminal && self.shown.is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}

/// The progress, the rate, and the remaining time at that rate.
fn line(Progress { installations, of }: Progress, elapsed: Duration) -> String {
    let millis = elapsed.as_millis().max(1);
    let rate = installations as u128 * 1_000 / millis;
    let left = (of.saturating_sub(installations)) as u128 / rate.max(1);
    format!("{installations} of {of} installations, {rate} a second, {left} s left")
}
