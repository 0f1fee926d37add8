//! The world of the demo's story, and the steps of which the story is made.

use std::collections::BTreeMap;

use chrono::{Days, Duration, NaiveDate};

use super::catalogue::{self, COMPONENTS, PackagePlan, Plan};
use super::{ACME_ADMIN, DemoError, GLOBEX_ADMIN, PUBLISHER_ADMIN, PUBLISHER_SUPPORT, VANDELAY_ADMIN};
use crate::app::App;
use crate::domain::Instant;
use crate::domain::accounts::Role;
use crate::domain::components::{ExtensibilitySetting, NamedVersion, VersionKind};
use crate::domain::id::{AccountId, ComponentId, ComponentVersionId, GroupId, InstallationId, PackId, ReleaseId};
use crate::domain::packs::{DeploymentModel, InstallationType, SupportInfo};
use crate::domain::releases::{RequestedSchedule, release_dates};
use crate::scheduler::advance::advance;
use crate::service::access::{Managed, Publisher};
use crate::service::accounts::{
    NewAccount, authenticate, create_managed_account, create_publisher, create_token_with_secret,
};
use crate::service::components::{NewManifestEntry, NewPackage, create_packages};
use crate::service::installations::{InstallRequest, install};
use crate::service::library::publish_component;
use crate::service::packs::{NewPack, add_components, create_pack, pin_component};
use crate::service::releases::ReleaseRequest;
use crate::service::sharing::{NewGroup, add_accounts, create_group, share_pack};

pub(super) type DemoResult<T> = Result<T, DemoError>;

/// The time zone of the demo's publisher.
const ZONE: &str = "Europe/Berlin";

/// The world while the story runs.
pub(super) struct World<'a> {
    pub(super) app: &'a App,
    /// The present, where the story ends.
    pub(super) now: Instant,
    pub(super) publisher: Publisher,
    pub(super) acme: Managed,
    pub(super) globex: Managed,
    /// A wholesaler with many legal entities and warehouses.
    pub(super) vandelay: Managed,
    pub(super) early_adopters: GroupId,
    pub(super) retail: GroupId,
    pub(super) manufacturing: GroupId,
    pub(super) wholesale: GroupId,
    pub(super) components: BTreeMap<&'static str, ComponentId>,
    pub(super) versions: BTreeMap<(&'static str, usize), ComponentVersionId>,
}

impl<'a> World<'a> {
    /// Creates the accounts, their groups, and the well-known tokens.
    pub(super) async fn found(app: &'a App, now: Instant) -> DemoResult<Self> {
        let services = &app.services;
        let id = create_publisher(services, "Brightwater Integrations", Some(ZONE.into())).await?;
        create_token_with_secret(services, id, "Demo administrator", Role::Administrator, PUBLISHER_ADMIN).await?;
        create_token_with_secret(services, id, "Demo support desk", Role::Support, PUBLISHER_SUPPORT).await?;
        let publisher = authenticate(services, Some(PUBLISHER_ADMIN), None).await?.viewer()?.publisher()?;
        let acme = customer(app, &publisher, "Acme", "America/New_York", ACME_ADMIN).await?;
        let globex = customer(app, &publisher, "Globex", "Asia/Tokyo", GLOBEX_ADMIN).await?;
        let vandelay = customer(app, &publisher, "Vandelay", "America/New_York", VANDELAY_ADMIN).await?;
        let early_adopters = group(app, &publisher, "Early adopters", &[acme.id()]).await?;
        let retail = group(app, &publisher, "Retail", &[acme.id()]).await?;
        let manufacturing = group(app, &publisher, "Manufacturing", &[globex.id()]).await?;
        let wholesale = group(app, &publisher, "Wholesale", &[vandelay.id()]).await?;
        Ok(Self {
            app,
            now,
            publisher,
            acme,
            globex,
            vandelay,
            early_adopters,
            retail,
            manufacturing,
            wholesale,
            components: BTreeMap::new(),
            versions: BTreeMap::new(),
        })
    }

    /// Advances the story to `days_ago` days before the present, and creates the packages that are due on the way.
    pub(super) async fn until(&mut self, days_ago: i64) -> DemoResult<()> {
        let mut due: Vec<(i64, &'static Plan, usize, &'static PackagePlan)> = Vec::new();
        for plan in COMPONENTS {
            for (index, package) in plan.packages.iter().enumerate() {
                if package.days_ago >= days_ago && !self.versions.contains_key(&(plan.name, index)) {
                    due.push((package.days_ago, plan, index, package));
                }
            }
        }
        due.sort_by_key(|(days_ago, _, index, _)| (-days_ago, *index));
        for (made, plan, index, package) in due {
            self.advance_to(self.now - Duration::days(made)).await?;
            self.package(plan, index, package).await?;
        }
        self.advance_to(self.now - Duration::days(days_ago)).await
    }

    /// Moves the clock to an instant, and lets the scheduler do the work that is due until then.
    pub(super) async fn advance_to(&self, to: Instant) -> DemoResult<()> {
        Ok(advance(&self.app.scheduler, &self.app.services.clock, to).await?)
    }

    /// Creates a package of the story.
    pub(super) async fn package(&mut self, plan: &'static Plan, index: usize, package: &PackagePlan) -> DemoResult<()> {
        let setting =
            |name: &str, uses_default| ExtensibilitySetting { name: name.into(), extensible: true, uses_default };
        // Shareable packages call other systems through the gateway, so they contain its certificate.
        let manifest = match (package.shareable, self.components.get(catalogue::GATEWAY_CERTIFICATE)) {
            (true, Some(certificate)) => {
                let extensibility = vec![setting("certificate", true)];
                vec![NewManifestEntry { component_id: *certificate, revision: 1, extensibility }]
            }
            _ => Vec::new(),
        };
        let new = NewPackage {
            component_id: self.component(plan.name)?,
            version: package.version.map(Into::into),
            shareable: package.shareable,
            notes: Some(package.notes.into()),
            revision: None,
            extensibility: vec![setting("endpoint", false), setting("batchSize", true)],
            manifest,
            source: Some(catalogue::source(plan.name, index)),
            artifacts: vec![catalogue::artifact(plan.name, index)],
        };
        let made = create_packages(&self.app.services, &self.publisher, vec![new], None).await?;
        self.versions.extend(made.first().map(|id| ((plan.name, index), *id)));
        Ok(())
    }

    /// The id of a component by its name.
    pub(super) fn component(&self, name: &str) -> DemoResult<ComponentId> {
        self.components.get(name).copied().ok_or_else(|| DemoError::Refused(format!("no component {name}")))
    }

    /// The package number `index` of a component, from 0.
    pub(super) fn version(&self, name: &'static str, index: usize) -> DemoResult<ComponentVersionId> {
        let id = self.versions.get(&(name, index)).copied();
        id.ok_or_else(|| DemoError::Refused(format!("no package {index} of {name}")))
    }

    /// Publishes a component for legacy packs (R52).
    pub(super) async fn publish(&self, name: &str, notes: &str) -> DemoResult<()> {
        let component = self.component(name)?;
        publish_component(&self.app.services, &self.publisher, component, Some(notes.into()), None).await?;
        Ok(())
    }

    /// Creates an empty pack, with a key that follows from its name.
    pub(super) async fn pack(
        &self,
        name: &str,
        description: &str,
        installation_type: InstallationType,
        support: SupportInfo,
    ) -> DemoResult<PackId> {
        let pack = NewPack {
            name: name.into(),
            description: description.into(),
            installation_type,
            deployment_model: DeploymentModel::Packaged,
            support,
            key: Some(key_of(name)),
        };
        Ok(create_pack(&self.app.services, &self.publisher, pack, None).await?)
    }

    /// Adds components to a pack's draft by their names.
    pub(super) async fn add(&self, pack: PackId, names: &[&str]) -> DemoResult<()> {
        let components = names.iter().map(|name| self.component(name)).collect::<DemoResult<Vec<_>>>()?;
        Ok(add_components(&self.app.services, &self.publisher, pack, components, None).await?)
    }

    /// Pins a component to its package number `index`, from 0.
    pub(super) async fn pin(&self, pack: PackId, name: &'static str, index: usize) -> DemoResult<()> {
        let version = NamedVersion { kind: VersionKind::Package, id: self.version(name, index)? };
        Ok(pin_component(&self.app.services, &self.publisher, pack, self.component(name)?, version, None).await?)
    }

    /// Shares a pack with groups.
    pub(super) async fn share(&self, pack: PackId, groups: &[GroupId]) -> DemoResult<()> {
        Ok(share_pack(&self.app.services, &self.publisher, pack, groups.to_vec()).await?)
    }

    /// Releases a pack without stages and without a halt rule.
    pub(super) async fn release(
        &self,
        pack: PackId,
        schedule: RequestedSchedule,
        notes: &str,
    ) -> DemoResult<ReleaseId> {
        self.release_as(plain_release(pack, schedule, notes)).await
    }

    /// Releases a pack with any options.
    pub(super) async fn release_as(&self, request: ReleaseRequest) -> DemoResult<ReleaseId> {
        Ok(crate::service::releases::release(&self.app.services, &self.publisher, request).await?)
    }

    /// Releases a pack on a date. `days` counts from the earliest possible date, which is 1.
    pub(super) async fn release_in(&self, pack: PackId, days: u64, notes: &str) -> DemoResult<ReleaseId> {
        self.release(pack, RequestedSchedule::OnDate(self.date_in(days)?), notes).await
    }

    /// A date for a release. `days` counts from the earliest possible one, which is 1.
    pub(super) fn date_in(&self, days: u64) -> DemoResult<NaiveDate> {
        let services = &self.app.services;
        let zone = services.zone(Some(ZONE)).ok_or_else(|| DemoError::Refused(format!("no zone {ZONE}")))?;
        let dates = release_dates(services.clock.now(), &zone, services.settings.release_days_ahead);
        Ok(dates.earliest + Days::new(days - 1))
    }

    /// Installs a pack in an account. With a name, the installation also gets a key that follows from it.
    pub(super) async fn install(
        &self,
        account: &Managed,
        pack: PackId,
        name: Option<&str>,
    ) -> DemoResult<InstallationId> {
        let request = InstallRequest { pack, override_name: name.map(Into::into), key: name.map(key_of) };
        Ok(install(&self.app.services, account, request, None).await?)
    }
}

/// A release of a pack without stages and without a rule.
pub(super) fn plain_release(pack_id: PackId, schedule: RequestedSchedule, notes: &str) -> ReleaseRequest {
    ReleaseRequest {
        pack_id,
        schedule,
        notes: notes.into(),
        expected_content: None,
        expected_revision: None,
        source: None,
        halt_when: None,
        client_request_id: None,
        stages: Vec::new(),
        cohort_of: None,
    }
}

/// The key that the demo gives to an object with this name (R67): `Invoices Germany` has the key `invoices-germany`.
pub(super) fn key_of(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Creates a managed account and enrols it.
async fn customer(app: &App, publisher: &Publisher, name: &str, zone: &str, secret: &str) -> DemoResult<Managed> {
    let key = Some(format!("crm:{}", key_of(name)));
    let new = NewAccount { name: name.into(), time_zone: Some(zone.into()), key };
    let issued = create_managed_account(&app.services, publisher, new, None).await?;
    create_token_with_secret(&app.services, issued.account_id, "Demo administrator", Role::Administrator, secret)
        .await?;
    Ok(authenticate(&app.services, Some(secret), None).await?.viewer()?.managed()?)
}

async fn group(app: &App, publisher: &Publisher, name: &str, accounts: &[AccountId]) -> DemoResult<GroupId> {
    let new = NewGroup { name: name.into(), key: Some(key_of(name)) };
    let group = create_group(&app.services, publisher, new, None).await?;
    add_accounts(&app.services, publisher, group, accounts.to_vec()).await?;
    Ok(group)
}
