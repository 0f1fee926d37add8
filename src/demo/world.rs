//! The demo's story: two months in the business of a publisher, its packs and two of its customers.

use std::collections::BTreeMap;

use chrono::{Days, Duration};

use crate::app::App;
use crate::domain::Instant;
use crate::domain::accounts::Role;
use crate::domain::components::{ExtensibilitySetting, NamedVersion, VersionKind};
use crate::domain::id::{
    AccountId, ComponentId, ComponentVersionId, GroupId, InstallationId, PackId, ReleaseId, UpdateId,
};
use crate::domain::packs::{DeploymentModel, InstallationType, SupportInfo};
use crate::domain::releases::{RequestedSchedule, window};
use crate::scheduler::advance::advance;
use crate::service::access::{Managed, Publisher};
use crate::service::accounts::tokens::{authenticate, create_token_with_secret};
use crate::service::accounts::{create_managed_account, create_publisher};
use crate::service::components::deleting::delete_package;
use crate::service::components::packaging::{NewManifestEntry, NewPackage, create_component, create_packages};
use crate::service::installations::{apply_early, install};
use crate::service::library::publishing::publish_component;
use crate::service::library::{NewProcess, copy_from_library, publish_to_library};
use crate::service::packs::draft::{add_components, pin_component};
use crate::service::packs::{NewPack, create_pack};
use crate::service::releases::ReleaseRequest;
use crate::service::sharing::{add_accounts, create_group, share_pack};

use super::catalogue::{self, COMPONENTS, PackagePlan, Plan};
use super::{ACME_ADMIN, DemoError, GLOBEX_ADMIN, PUBLISHER_ADMIN, PUBLISHER_SUPPORT};

type Told<T> = Result<T, DemoError>;

/// The time zone of the demo's publisher.
const ZONE: &str = "Europe/Berlin";

/// The world while the story runs.
struct World<'a> {
    app: &'a App,
    /// The present, where the story ends.
    now: Instant,
    publisher: Publisher,
    acme: Managed,
    globex: Managed,
    early_adopters: GroupId,
    retail: GroupId,
    manufacturing: GroupId,
    components: BTreeMap<&'static str, ComponentId>,
    versions: BTreeMap<(&'static str, usize), ComponentVersionId>,
}

/// Runs the story up to `now`. The clock of `app` must stand at its beginning.
pub(super) async fn build(app: &App, now: Instant) -> Told<()> {
    let mut world = World::found(app, now).await?;
    world.build_components().await?;
    let packs = world.compose().await?;
    let orders_at_acme = world.install_everywhere(&packs).await?;
    world.live(&packs).await?;
    world.leave_open(&packs, orders_at_acme).await?;
    world.advance_to(now).await
}

/// The packs that play a part later in the story.
struct Packs {
    orders: PackId,
    products: PackId,
    invoices: PackId,
    customers: PackId,
    warehouse: PackId,
    tills: PackId,
}

impl<'a> World<'a> {
    /// Creates the accounts, their groups, and the well-known tokens.
    async fn found(app: &'a App, now: Instant) -> Told<Self> {
        let services = &app.services;
        let id = create_publisher(services, "Brightwater Integrations", Some(ZONE.into())).await?;
        create_token_with_secret(services, id, "Demo administrator", Role::Administrator, PUBLISHER_ADMIN).await?;
        create_token_with_secret(services, id, "Demo support desk", Role::Support, PUBLISHER_SUPPORT).await?;
        let publisher = authenticate(services, Some(PUBLISHER_ADMIN), None).await?.viewer()?.publisher()?;
        let acme = customer(app, &publisher, "Acme", "America/New_York", ACME_ADMIN).await?;
        let globex = customer(app, &publisher, "Globex", "Asia/Tokyo", GLOBEX_ADMIN).await?;
        let early_adopters = group(app, &publisher, "Early adopters", &[acme.id()]).await?;
        let retail = group(app, &publisher, "Retail", &[acme.id()]).await?;
        let manufacturing = group(app, &publisher, "Manufacturing", &[globex.id()]).await?;
        let (components, versions) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { app, now, publisher, acme, globex, early_adopters, retail, manufacturing, components, versions })
    }

    /// Creates all components. Their packages follow during the story.
    async fn build_components(&mut self) -> Told<()> {
        for plan in COMPONENTS {
            let id =
                create_component(&self.app.services, &self.publisher, plan.name, plan.component_type, None).await?;
            self.components.insert(plan.name, id);
        }
        Ok(())
    }

    /// Creates the packs and their first releases.
    async fn compose(&mut self) -> Told<Packs> {
        use InstallationType::{Multi, Single};
        use catalogue::support;
        self.until(54).await?;
        let orders = self
            .pack(
                "Shop to ERP orders",
                "Brings web shop orders into the ERP and tells the shop what became of them.",
                Single,
                support("Order desk", "orders"),
            )
            .await?;
        self.add(orders, &[catalogue::ORDER_IMPORT, catalogue::ORDER_STATUS, catalogue::ORDERS_API]).await?;
        let products = self
            .pack(
                "Product data hub",
                "Keeps products and prices the same in all channels.",
                Single,
                support("Product desk", "products"),
            )
            .await?;
        self.add(products, &[catalogue::CATALOGUE_SYNC, catalogue::PRICE_PUSH]).await?;
        let invoices = self
            .pack(
                "Invoice exchange",
                "Sends invoices and reads what was paid; one installation for each legal entity.",
                Multi,
                support("Finance desk", "invoices"),
            )
            .await?;
        self.add(invoices, &[catalogue::INVOICE_EXPORT, catalogue::REMITTANCE_IMPORT]).await?;
        let customers = self
            .pack(
                "Customer 360",
                "One view of a customer, over an API of its own.",
                Single,
                support("Customer desk", "customers"),
            )
            .await?;
        self.add(customers, &[catalogue::CUSTOMERS_API]).await?;
        let warehouse = self
            .pack(
                "Warehouse link",
                "Stock levels and parcels, for each warehouse.",
                Multi,
                support("Logistics desk", "warehouse"),
            )
            .await?;
        self.add(warehouse, &[catalogue::INVENTORY_SYNC]).await?;
        let tills =
            self.legacy_pack("Till connection", "Brings in the day's receipts; for tills of the old kind.").await?;
        for pack in [orders, products, customers] {
            self.share(pack, &[self.retail, self.manufacturing]).await?;
        }
        self.share(invoices, &[self.early_adopters]).await?;
        self.share(warehouse, &[self.manufacturing]).await?;
        self.share(tills, &[self.retail]).await?;
        for pack in [orders, products, invoices, customers, warehouse, tills] {
            self.release(pack, RequestedSchedule::Immediately, "The first release.").await?;
        }
        Ok(Packs { orders, products, invoices, customers, warehouse, tills })
    }

    /// Creates a legacy pack, which holds publications and not packages (R52).
    async fn legacy_pack(&self, name: &str, description: &str) -> Told<PackId> {
        self.publish(catalogue::TILL_RECEIPTS, "The receipts of a day, in one file.").await?;
        let pack = NewPack {
            name: name.into(),
            description: description.into(),
            installation_type: InstallationType::Single,
            deployment_model: DeploymentModel::Legacy,
            support: catalogue::support("Shop desk", "tills"),
        };
        let pack = create_pack(&self.app.services, &self.publisher, pack, None).await?;
        self.add(pack, &[catalogue::TILL_RECEIPTS]).await?;
        Ok(pack)
    }

    /// Installs the packs. Returns Acme's installation of the orders pack.
    async fn install_everywhere(&mut self, packs: &Packs) -> Told<InstallationId> {
        self.until(50).await?;
        let orders_at_acme = self.install(&self.acme, packs.orders, None).await?;
        self.install(&self.globex, packs.orders, None).await?;
        self.install(&self.acme, packs.products, None).await?;
        self.install(&self.globex, packs.products, None).await?;
        self.install(&self.acme, packs.invoices, Some("Invoices Germany")).await?;
        self.install(&self.acme, packs.invoices, Some("Invoices France")).await?;
        self.install(&self.globex, packs.warehouse, Some("Warehouse Osaka")).await?;
        self.install(&self.acme, packs.tills, None).await?;
        Ok(orders_at_acme)
    }

    /// Shares a process as a template, which a customer copies (R53). Later packages of the process change neither the
    /// template nor the copy.
    async fn share_a_template(&self) -> Told<()> {
        let services = &self.app.services;
        let new = NewProcess {
            package: self.version(catalogue::SHIPMENT_TRACKING, 0)?,
            groups: vec![self.retail, self.manufacturing],
            description: "A *starting point*: asks two carriers where a parcel is. Add your own.".into(),
        };
        let process = publish_to_library(services, &self.publisher, new, None).await?;
        self.advance_to(services.clock.now() + Duration::hours(30)).await?;
        copy_from_library(services, &self.acme, process, Some("Tracking for our couriers".into()), None).await?;
        Ok(())
    }

    /// The releases and changes up to yesterday.
    async fn live(&mut self, packs: &Packs) -> Told<()> {
        self.until(45).await?;
        self.share_a_template().await?;

        self.until(33).await?;
        self.release_in(packs.orders, 2, "Orders with several delivery addresses; the API tells the sales channel.")
            .await?;

        self.until(17).await?;
        let description = "From the signed contract to the first day, and to the last.";
        let lifecycle = self
            .pack(
                "Employee lifecycle",
                description,
                InstallationType::Single,
                catalogue::support("People desk", "people"),
            )
            .await?;
        self.add(lifecycle, &[catalogue::ONBOARDING]).await?;
        // The pack is shared before its first release, so no account sees it yet (R24).
        self.share(lifecycle, &[self.early_adopters]).await?;

        self.until(8).await?;
        // The customer in Osaka can't handle several warehouses in one run yet, so the row is pinned to an older
        // version (R16).
        self.pin(packs.warehouse, catalogue::INVENTORY_SYNC, 1).await?;
        self.add(packs.warehouse, &[catalogue::SHIPMENT_TRACKING]).await?;
        self.release_in(
            packs.warehouse,
            2,
            "Parcels are followed, by six carriers. Reserved stock isn't available stock.",
        )
        .await?;

        // The package halved some prices. No customer has it yet, so the publisher deletes it.
        self.until(6).await?;
        delete_package(&self.app.services, &self.publisher, self.version(catalogue::PRICE_PUSH, 1)?).await?;
        self.publish(catalogue::TILL_RECEIPTS, "A receipt at a time, as soon as it is printed.").await?;

        self.until(4).await?;
        self.release_in(packs.customers, 1, "## Consents\n\nEach consent comes with the date it was given.").await?;
        Ok(())
    }

    /// Leaves two releases pending at the end: a first release, and one in its testing period.
    async fn leave_open(&mut self, packs: &Packs, orders_at_acme: InstallationId) -> Told<()> {
        self.until(1).await?;
        let description = "Takes returns in, and settles them.";
        let returns = self
            .pack("Returns desk", description, InstallationType::Single, catalogue::support("Order desk", "returns"))
            .await?;
        self.add(returns, &[catalogue::RETURNS_INTAKE]).await?;
        self.share(returns, &[self.retail]).await?;
        self.release_in(returns, 6, "The first release of the returns desk.").await?;

        let notes = "## Split orders\n\nA split order keeps the shop's number, and an order on hold says why.\n\nPlease test with your own shipping rules.";
        let release = self.release_in(packs.orders, 4, notes).await?;
        self.advance_to(self.now - Duration::hours(5)).await?;
        let update = UpdateId { installation: orders_at_acme, release };
        apply_early(&self.app.services, &self.acme, update).await?;
        Ok(())
    }

    /// Advances the story to `days_ago` days before the present, and creates the packages that are due on the way.
    async fn until(&mut self, days_ago: i64) -> Told<()> {
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

    async fn advance_to(&self, to: Instant) -> Told<()> {
        Ok(advance(&self.app.scheduler, &self.app.services.clock, to).await?)
    }

    async fn package(&mut self, plan: &'static Plan, index: usize, package: &PackagePlan) -> Told<()> {
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
        };
        let made = create_packages(&self.app.services, &self.publisher, vec![new], None).await?;
        self.versions.extend(made.first().map(|id| ((plan.name, index), *id)));
        Ok(())
    }

    fn component(&self, name: &str) -> Told<ComponentId> {
        self.components.get(name).copied().ok_or_else(|| DemoError::Refused(format!("no component {name}")))
    }

    /// The package number `index` of a component, from 0.
    fn version(&self, name: &'static str, index: usize) -> Told<ComponentVersionId> {
        let id = self.versions.get(&(name, index)).copied();
        id.ok_or_else(|| DemoError::Refused(format!("no package {index} of {name}")))
    }

    async fn publish(&self, name: &str, notes: &str) -> Told<()> {
        let component = self.component(name)?;
        publish_component(&self.app.services, &self.publisher, component, Some(notes.into()), None).await?;
        Ok(())
    }

    async fn pack(
        &self,
        name: &str,
        description: &str,
        installation_type: InstallationType,
        support: SupportInfo,
    ) -> Told<PackId> {
        let (name, description) = (name.into(), description.into());
        let pack =
            NewPack { name, description, installation_type, deployment_model: DeploymentModel::Packaged, support };
        Ok(create_pack(&self.app.services, &self.publisher, pack, None).await?)
    }

    async fn add(&self, pack: PackId, names: &[&str]) -> Told<()> {
        let components = names.iter().map(|name| self.component(name)).collect::<Told<Vec<_>>>()?;
        Ok(add_components(&self.app.services, &self.publisher, pack, components, None).await?)
    }

    /// Pins a component to its package number `index`, from 0.
    async fn pin(&self, pack: PackId, name: &'static str, index: usize) -> Told<()> {
        let version = NamedVersion { kind: VersionKind::Package, id: self.version(name, index)? };
        Ok(pin_component(&self.app.services, &self.publisher, pack, self.component(name)?, version, None).await?)
    }

    async fn share(&self, pack: PackId, groups: &[GroupId]) -> Told<()> {
        Ok(share_pack(&self.app.services, &self.publisher, pack, groups.to_vec()).await?)
    }

    async fn release(&self, pack_id: PackId, schedule: RequestedSchedule, notes: &str) -> Told<ReleaseId> {
        let request = ReleaseRequest {
            pack_id,
            schedule,
            notes: notes.into(),
            expected_content: None,
            expected_revision: None,
            client_request_id: None,
        };
        Ok(crate::service::releases::release(&self.app.services, &self.publisher, request).await?)
    }

    /// Releases a pack on a date. `days` counts from the earliest possible date, which is 1.
    async fn release_in(&self, pack: PackId, days: u64, notes: &str) -> Told<ReleaseId> {
        let services = &self.app.services;
        let zone = services.zone(Some(ZONE)).ok_or_else(|| DemoError::Refused(format!("no zone {ZONE}")))?;
        let dates = window::release_dates(services.clock.now(), &zone, services.settings.release_days_ahead);
        let date = dates.earliest + Days::new(days - 1);
        self.release(pack, RequestedSchedule::OnDate(date), notes).await
    }

    async fn install(&self, account: &Managed, pack: PackId, name: Option<&str>) -> Told<InstallationId> {
        Ok(install(&self.app.services, account, pack, name.map(Into::into), None).await?)
    }
}

/// Creates a managed account and enrols it.
async fn customer(app: &App, publisher: &Publisher, name: &str, zone: &str, secret: &str) -> Told<Managed> {
    let issued = create_managed_account(&app.services, publisher, name, Some(zone.into()), None).await?;
    create_token_with_secret(&app.services, issued.account_id, "Demo administrator", Role::Administrator, secret)
        .await?;
    Ok(authenticate(&app.services, Some(secret), None).await?.viewer()?.managed()?)
}

async fn group(app: &App, publisher: &Publisher, name: &str, accounts: &[AccountId]) -> Told<GroupId> {
    let group = create_group(&app.services, publisher, name, None).await?;
    add_accounts(&app.services, publisher, group, accounts.to_vec()).await?;
    Ok(group)
}
