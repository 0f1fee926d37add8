//! The demo's story: two months in the business of a publisher, its packs and three of its customers.

use chrono::Duration;

use super::catalogue::{self, COMPONENTS};
use super::world::{DemoResult, World, key_of};
use crate::app::App;
use crate::domain::Instant;
use crate::domain::id::{InstallationId, PackId, UpdateId};
use crate::domain::packs::{DeploymentModel, InstallationType};
use crate::domain::releases::RequestedSchedule;
use crate::service::components::{NewComponent, create_component, delete_package};
use crate::service::installations::apply_early;
use crate::service::library::{NewProcess, copy_from_library, publish_to_library};
use crate::service::packs::{NewPack, create_pack};

/// Runs the story up to `now`. The clock of `app` must show its beginning.
pub(super) async fn build(app: &App, now: Instant) -> DemoResult<()> {
    let mut world = World::found(app, now).await?;
    world.build_components().await?;
    let packs = world.compose().await?;
    let orders_at_acme = world.install_everywhere(&packs).await?;
    let warehouses = world.install_many(&packs).await?;
    world.live(&packs).await?;
    let in_stages = world.begin_in_stages(packs.warehouse).await?;
    world.leave_open(&packs, orders_at_acme).await?;
    world.report_outcomes(in_stages, &warehouses).await?;
    world.advance_to(now).await
}

/// The packs that play a part later in the story.
pub(super) struct Packs {
    orders: PackId,
    products: PackId,
    pub(super) invoices: PackId,
    pub(super) customers: PackId,
    pub(super) warehouse: PackId,
    tills: PackId,
}

impl World<'_> {
    /// Creates all components. Their packages follow during the story.
    async fn build_components(&mut self) -> DemoResult<()> {
        for plan in COMPONENTS {
            let (name, key) = (plan.name.to_owned(), Some(key_of(plan.name)));
            let new = NewComponent { name, component_type: plan.component_type, key };
            let id = create_component(&self.app.services, &self.publisher, new, None).await?;
            self.components.insert(plan.name, id);
        }
        Ok(())
    }

    /// Creates the packs and their first releases.
    async fn compose(&mut self) -> DemoResult<Packs> {
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
        self.share(customers, &[self.wholesale]).await?;
        self.share(invoices, &[self.early_adopters, self.wholesale]).await?;
        self.share(warehouse, &[self.manufacturing, self.early_adopters, self.wholesale]).await?;
        self.share(tills, &[self.retail]).await?;
        for pack in [orders, products, invoices, customers, warehouse, tills] {
            self.release(pack, RequestedSchedule::Immediately, "The first release.").await?;
        }
        Ok(Packs { orders, products, invoices, customers, warehouse, tills })
    }

    /// Creates a legacy pack, which holds publications and not packages (R52).
    async fn legacy_pack(&self, name: &str, description: &str) -> DemoResult<PackId> {
        self.publish(catalogue::TILL_RECEIPTS, "The receipts of a day, in one file.").await?;
        let pack = NewPack {
            name: name.into(),
            description: description.into(),
            installation_type: InstallationType::Single,
            deployment_model: DeploymentModel::Legacy,
            support: catalogue::support("Shop desk", "tills"),
            key: Some(key_of(name)),
        };
        let pack = create_pack(&self.app.services, &self.publisher, pack, None).await?;
        self.add(pack, &[catalogue::TILL_RECEIPTS]).await?;
        Ok(pack)
    }

    /// Installs the packs. Returns Acme's installation of the orders pack.
    async fn install_everywhere(&mut self, packs: &Packs) -> DemoResult<InstallationId> {
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
    async fn share_a_template(&self) -> DemoResult<()> {
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
    async fn live(&mut self, packs: &Packs) -> DemoResult<()> {
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

    /// Leaves two more releases pending at the end: a first release, and one in its testing period.
    async fn leave_open(&mut self, packs: &Packs, orders_at_acme: InstallationId) -> DemoResult<()> {
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
}
