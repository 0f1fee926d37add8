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
use crate::domain::log::{Recorded, Subject, SubjectKey};
use crate::seed::{
    GeneratedComponent, GeneratedEntry, GeneratedInstallation, GeneratedPack, Options, World, beginning_of_day,
};
use crate::store::seed::{Load, SeededComponent, SeededInstallation, SeededPack, SeededRelease};
use crate::store::{Db, DbOptions};
use crate::{ids, telemetry};

use super::ending::Signals;
use super::{CliError, Making, print};

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
    common: Making,
}

impl SeedArgs {
    fn options(&self, now: Instant) -> Result<Options, CliError> {
        let at = self.at.map_or_else(|| beginning_of_day(now), |at| at.trunc_subsecs(6));
        if at > now {
            let why = "The present of the world can't lie in the future: give an earlier --at, or leave it out.";
            return Err(CliError::new(why));
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

pub(super) async fn run(args: SeedArgs) -> Result<(), CliError> {
    let options = args.options(Clock::system().now())?;
    let world = World::new(options)?;
    let stopped = "Stopped before the end: the database is as empty as it was. Run the command again for a world.";
    let mut signals = Signals::caught()?;
    let db = tokio::select! {
        db = connect(&args.common) => db?,
        _ = signals.next() => return Err(CliError::new(stopped)),
    };
    let mut meter = Meter::new();
    let filled = tokio::select! {
        filled = fill(&db, &world, |progress| meter.show(progress)) => filled,
        _ = signals.next() => Err(CliError::new(stopped)),
    };
    meter.end();
    print(&describe(&options, &filled?, meter.begun.elapsed()));
    Ok(db.close().await?)
}

/// Connects to the database, and migrates it if it is new. A database with a former schema isn't changed.
async fn connect(common: &Making) -> Result<Db, CliError> {
    telemetry::start(&common.log).map_err(CliError::new)?;
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
pub async fn fill(db: &Db, world: &World, mut report: impl FnMut(Progress)) -> Result<Filled, CliError> {
    let Some(mut load) = Load::begin(db).await? else {
        return Err(CliError::new(
            "The database has accounts already, and a world for load tests is made in an empty one: name another with --database-url or DATABASE_URL.",
        ));
    };
    let mut filled = directory(&mut load, world).await?;
    components(&mut load, world).await?;
    library(&mut load, world).await?;
    for generated_pack in world.packs() {
        pack(&mut load, world, generated_pack, &mut filled, |made| {
            report(Progress { installations: made, of: world.options.installations });
        })
        .await?;
    }
    load.rows().entries([entry(world, world.seeded(filled.installations))]);
    load.finish().await?;
    Ok(filled)
}

async fn directory(load: &mut Load, world: &World) -> Result<Filled, CliError> {
    let directory = &world.directory;
    let first = directory.accounts.first().ok_or_else(|| CliError::new("a world without accounts"))?;
    // These secrets don't derive from the seed, because the seed may be public.
    let filled = Filled {
        installations: 0,
        updates: 0,
        publisher: directory.publisher.name.clone(),
        publisher_secret: ids::secret("pwt_"),
        account: first.account.name.clone(),
        account_secret: ids::secret("pwt_"),
    };
    load.rows().account(&directory.publisher);
    load.rows().token(&directory.token, ids::hash(&filled.publisher_secret));
    load.rows().entries(entries(world, world.of_publisher()));
    for (index, generated_account) in directory.accounts.iter().enumerate() {
        let hash = if index == 0 { ids::hash(&filled.account_secret) } else { generated_account.secret_hash.to_vec() };
        let (id, spent) = &generated_account.enrolment;
        let rows = load.rows();
        rows.account(&generated_account.account);
        rows.token(&generated_account.token, hash);
        rows.enrolment(
            &generated_account.account,
            (*id, spent),
            generated_account.account.created_at + chrono::Duration::days(7),
        );
        rows.entries(entries(world, world.entries_of_account(index, generated_account)));
        load.flush_if_much().await?;
    }
    for (index, group_members) in directory.groups_with_members.iter().enumerate() {
        let member =
            |nth: &u32| directory.accounts.get(*nth as usize).map(|generated_account| generated_account.account.id);
        load.rows().group(&group_members.group, group_members.members.iter().filter_map(member));
        load.rows().entries(entries(world, world.entries_of_group(index, group_members)));
        load.flush_if_much().await?;
    }
    Ok(filled)
}

async fn components(load: &mut Load, world: &World) -> Result<(), CliError> {
    for (index, built) in world.components.iter().enumerate() {
        let rows = load.rows();
        rows.component(component(world, built));
        for package in &built.packages {
            rows.version(&built.component, &package.version, &package.manifest, package.deleted_at)?;
        }
        for publication in &built.publications {
            rows.version(&built.component, publication, &[], None)?;
        }
        rows.entries(entries(world, world.entries_of_component(index, built)));
        load.flush_if_much().await?;
    }
    Ok(())
}

async fn library(load: &mut Load, world: &World) -> Result<(), CliError> {
    for (index, template) in world.templates.iter().enumerate() {
        let rows = load.rows();
        rows.process(&template.process, &template.groups);
        for component in &template.copies {
            rows.component(copy(component));
            rows.copy(component, &template.process);
        }
        rows.entries(entries(world, world.entries_of_template(index, template)));
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

fn component<'a>(world: &World, built: &'a GeneratedComponent) -> SeededComponent<'a> {
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
    mut generated_pack: GeneratedPack<'_>,
    filled: &mut Filled,
    mut made: impl FnMut(usize),
) -> Result<(), CliError> {
    let history = &generated_pack.history;
    load.rows().pack(SeededPack {
        pack: &history.pack,
        rows: &history.rows,
        keys: &history.keys,
        groups: &generated_pack.groups,
        announced: &generated_pack.announced,
    })?;
    for issue in &history.issues {
        let (release, version, content) = (&issue.release, &issue.version, &issue.content);
        let progressed_at = issue.progressed_at;
        load.rows().release(SeededRelease { release, progressed_at, version, content })?;
    }
    load.rows().entries(entries(world, generated_pack.entries));
    while let Some(part) = generated_pack.field.part(history) {
        let live =
            part.installations.iter().filter(|generated| generated.installation.uninstalled_at.is_none()).count();
        filled.installations += live;
        filled.updates += part.updates.len();
        for generated in part.installations {
            load.rows().installation(seeded(generated));
        }
        for generated_update in part.updates {
            load.rows().update(generated_update.update, generated_update.attempts);
        }
        load.rows().entries(entries(world, part.entries));
        load.flush_if_much().await?;
        made(filled.installations);
    }
    for ((release, at), tally) in &generated_pack.field.tallies {
        load.rows().tally(*release, history.pack.id, *at, tally);
    }
    Ok(load.flush_if_much().await?)
}

fn seeded(generated: GeneratedInstallation) -> SeededInstallation {
    let GeneratedInstallation { installation, installation_type, name_key, account_name_key, frozen_at } = generated;
    SeededInstallation { installation, installation_type, name_key, account_name_key, frozen_at }
}

fn entries(world: &World, generated_entry: Vec<GeneratedEntry>) -> impl Iterator<Item = Recorded> {
    generated_entry.into_iter().map(|generated_entry| entry(world, generated_entry))
}

fn entry(world: &World, generated_entry: GeneratedEntry) -> Recorded {
    let directory = &world.directory;
    let subject =
        |type_name: &str, id: String, name| Subject { key: SubjectKey { type_name: type_name.into(), id }, name };
    let own = |account: AccountId, name| Some(subject("OwnAccount", account.0.to_string(), name));
    let noted_subject = subject(
        generated_entry.subject_type,
        generated_entry.subject_id.to_string(),
        Some(generated_entry.subject_name.clone()),
    );
    let (subject, own_subject) = match (generated_entry.account_id, generated_entry.subject_type) {
        (Some(account), "ManagedAccount") => (noted_subject, own(account, Some(generated_entry.subject_name))),
        (Some(account), "AccountGroup") => (noted_subject, own(account, directory.name_of(account))),
        // A copy belongs to the account alone, so the publisher sees only the account (R53).
        (Some(account), "Component") => {
            (subject("ManagedAccount", account.0.to_string(), directory.name_of(account)), Some(noted_subject))
        }
        _ => (noted_subject, None),
    };
    Recorded {
        id: generated_entry.id.into(),
        publisher_id: directory.publisher.id,
        account_id: generated_entry.account_id,
        occurred_at: generated_entry.occurred_at,
        actor_account_name: generated_entry.actor.account_id.and_then(|account| directory.name_of(account)),
        actor: generated_entry.actor,
        action: generated_entry.action.into(),
        subject,
        own_subject,
        changes: generated_entry.changes,
        request_id: None,
    }
}

fn describe(options: &Options, filled: &Filled, took: Duration) -> String {
    let Options { seed, at, packs, accounts, .. } = options;
    let Filled { installations, updates, publisher, publisher_secret, account, account_secret } = filled;
    let at = crate::domain::instant::to_text(*at);
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
