//! Generates the process library: templates, the groups they are shared with, and the copies that accounts took (R53).

use chrono::TimeDelta;

use super::catalogue::GeneratedComponent;
use super::directory::{Directory, GroupMembers, actor};
use super::rng::{For, Rng};
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

pub(super) fn templates(options: &Options, directory: &Directory, components: &[GeneratedComponent]) -> Vec<Template> {
    let chosen = components.iter().enumerate().skip(5).step_by(TEMPLATES);
    let processes = chosen.filter(|(_, built)| built.component.component_type == ComponentType::Process);
    processes.filter_map(|(index, built)| template(options, directory, built, index)).collect()
}

fn template(options: &Options, directory: &Directory, built: &GeneratedComponent, index: usize) -> Option<Template> {
    let mut rng = Rng::new(options.seed, For::Template, index);
    let at = rng.days_after(options.at, -200, -20);
    let id = built.latest(VersionKind::Package, at)?.id;
    let package = built.packages.iter().map(|package| &package.version).find(|version| version.id == id)?;
    let group_members = &directory.groups_with_members[rng.nth(directory.groups_with_members.len())];
    let withdrawn_at = rng.percent(10).then(|| rng.days_after(options.at, -10, -2));
    let copies = copies(directory, built, group_members, (at, withdrawn_at.unwrap_or(options.at)), &mut rng);
    let process = LibraryProcess {
        withdrawn_at,
        copy_count: i64::try_from(copies.len()).unwrap_or(i64::MAX),
        ..process(built, package, at, &mut rng)
    };
    let groups = if withdrawn_at.is_none() { vec![group_members.group.id] } else { Vec::new() };
    Some(Template { process, groups, copies })
}

fn process(built: &GeneratedComponent, package: &ComponentVersion, at: Instant, rng: &mut Rng) -> LibraryProcess {
    LibraryProcess {
        id: rng.id(at),
        publisher_id: built.component.owner_id,
        component_version_id: package.id,
        name: built.component.name.clone(),
        version: package.version.clone(),
        description: if rng.percent(80) { words::package_notes(rng) } else { String::new() },
        published_at: at,
        withdrawn_at: None,
        copy_count: 0,
    }
}

/// Copies by accounts of a group, taken while the process was in the library.
fn copies(
    directory: &Directory,
    built: &GeneratedComponent,
    group_members: &GroupMembers,
    (from, until): (Instant, Instant),
    rng: &mut Rng,
) -> Vec<Component> {
    let target = rng.range(0, COPIES_MAX);
    let mut copy = |_| {
        let generated_account =
            directory.accounts.get(*group_members.members.get(rng.nth(group_members.members.len()))? as usize)?;
        let enrolled = generated_account.account.enrolled_at?.max(from) + TimeDelta::hours(1);
        let until = generated_account.account.suspended_at.map_or(until, |at| at.min(until));
        let at = rng.between(enrolled, until);
        (at < until).then(|| Component {
            id: rng.id(at),
            owner_id: generated_account.account.id,
            name: built.component.name.clone(),
            component_type: ComponentType::Process,
            created_at: at,
            created_by: actor(&generated_account.token),
            in_pack_version: false,
        })
    };
    (0..target).filter_map(&mut copy).collect()
}
