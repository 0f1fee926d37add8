//! Generates the process library: templates, the groups they are shared with, and the copies that accounts took (R53).

use chrono::TimeDelta;

use super::catalogue::Built;
use super::dice::{Dice, For};
use super::people::{Circle, People, actor};
use super::{Options, words};
use crate::domain::Instant;
use crate::domain::components::{Component, ComponentType, ComponentVersion, VersionKind};
use crate::domain::id::GroupId;
use crate::domain::library::LibraryProcess;

/// One in so many components becomes a template, if it is a process.
const TEMPLATES: usize = 12;
/// The most copies of a template.
const COPIES_MAX: i64 = 40;

/// A process in the library, or one that was withdrawn.
#[derive(Clone, Debug)]
pub struct Template {
    pub process: LibraryProcess,
    /// The groups with which it is shared; empty after it was withdrawn.
    pub groups: Vec<GroupId>,
    /// The copies that accounts took.
    pub copies: Vec<Component>,
}

pub(super) fn templates(options: &Options, people: &People, components: &[Built]) -> Vec<Template> {
    let chosen = components.iter().enumerate().skip(5).step_by(TEMPLATES);
    let processes = chosen.filter(|(_, built)| built.component.component_type == ComponentType::Process);
    processes.filter_map(|(index, built)| template(options, people, built, index)).collect()
}

fn template(options: &Options, people: &People, built: &Built, index: usize) -> Option<Template> {
    let mut dice = Dice::new(options.seed, For::Template, index);
    let at = dice.days_after(options.at, -200, -20);
    let id = built.latest(VersionKind::Package, at)?.id;
    let package = built.packages.iter().map(|package| &package.version).find(|version| version.id == id)?;
    let circle = &people.circles[dice.place(people.circles.len())];
    let withdrawn_at = dice.percent(10).then(|| dice.days_after(options.at, -10, -2));
    let copies = copies(people, built, circle, (at, withdrawn_at.unwrap_or(options.at)), &mut dice);
    let process = LibraryProcess {
        withdrawn_at,
        copy_count: i64::try_from(copies.len()).unwrap_or(i64::MAX),
        ..process(built, package, at, &mut dice)
    };
    let groups = if withdrawn_at.is_none() { vec![circle.group.id] } else { Vec::new() };
    Some(Template { process, groups, copies })
}

fn process(built: &Built, package: &ComponentVersion, at: Instant, dice: &mut Dice) -> LibraryProcess {
    LibraryProcess {
        id: dice.id(at),
        publisher_id: built.component.owner_id,
        component_version_id: package.id,
        name: built.component.name.clone(),
        version: package.version.clone(),
        description: if dice.percent(80) { words::package_notes(dice) } else { String::new() },
        published_at: at,
        withdrawn_at: None,
        copy_count: 0,
    }
}

/// Copies by accounts of a group, taken while the process was in the library.
fn copies(
    people: &People,
    built: &Built,
    circle: &Circle,
    (from, until): (Instant, Instant),
    dice: &mut Dice,
) -> Vec<Component> {
    let wanted = dice.range(0, COPIES_MAX);
    let mut copy = |_| {
        let person = people.accounts.get(*circle.members.get(dice.place(circle.members.len()))? as usize)?;
        let enrolled = person.account.enrolled_at?.max(from) + TimeDelta::hours(1);
        let until = person.account.suspended_at.map_or(until, |at| at.min(until));
        let at = dice.between(enrolled, until);
        (at < until).then(|| Component {
            id: dice.id(at),
            owner_id: person.account.id,
            name: built.component.name.clone(),
            component_type: ComponentType::Process,
            created_at: at,
            created_by: actor(&person.token),
        })
    };
    (0..wanted).filter_map(&mut copy).collect()
}
