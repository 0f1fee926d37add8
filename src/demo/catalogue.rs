//! The components of the demo's publisher, and the support data of its packs.

use sha2::{Digest as _, Sha256};

use super::world::key_of;
use crate::domain::components::ComponentType;
use crate::domain::packs::{Guide, SupportInfo};
use crate::domain::source::{Artifact, Source};

/// A component of the demo's story.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) component_type: ComponentType,
    /// In the order in which they are created.
    pub(super) packages: &'static [PackagePlan],
}

/// A package of the demo's story.
pub(super) struct PackagePlan {
    /// How many days before the present it is created.
    pub(super) days_ago: i64,
    /// The version label; `None` takes the next number (R6).
    pub(super) version: Option<&'static str>,
    pub(super) shareable: bool,
    pub(super) notes: &'static str,
}

const fn package(days_ago: i64, notes: &'static str) -> PackagePlan {
    PackagePlan { days_ago, version: None, shareable: true, notes }
}

const fn internal(days_ago: i64, notes: &'static str) -> PackagePlan {
    PackagePlan { days_ago, version: None, shareable: false, notes }
}

const fn labelled(days_ago: i64, version: &'static str, notes: &'static str) -> PackagePlan {
    PackagePlan { days_ago, version: Some(version), shareable: true, notes }
}

pub(super) const CATALOGUE_SYNC: &str = "Product catalogue sync";
pub(super) const PRICE_PUSH: &str = "Price list push";
pub(super) const INVENTORY_SYNC: &str = "Inventory level sync";
pub(super) const ORDER_IMPORT: &str = "Order import";
pub(super) const ORDER_STATUS: &str = "Order status callback";
pub(super) const ORDERS_API: &str = "Orders API";
pub(super) const CUSTOMERS_API: &str = "Customers API";
pub(super) const INVOICE_EXPORT: &str = "Invoice export (UBL)";
pub(super) const REMITTANCE_IMPORT: &str = "Remittance advice import";
pub(super) const SHIPMENT_TRACKING: &str = "Shipment tracking poll";
pub(super) const ONBOARDING: &str = "Employee onboarding";
pub(super) const RETURNS_INTAKE: &str = "Returns intake";
pub(super) const TILL_RECEIPTS: &str = "Till receipt upload";
pub(super) const GATEWAY_CERTIFICATE: &str = "Gateway certificate";
pub(super) const EDIFACT_LIBRARY: &str = "EDIFACT parser";

use ComponentType::{ApiService, Certificate, CustomLibrary, Process};

/// All components, in the order of their creation.
pub(super) const COMPONENTS: &[Plan] = &[
    Plan {
        name: CATALOGUE_SYNC,
        component_type: Process,
        packages: &[
            package(59, "First version."),
            package(30, "Reads variants and their pictures."),
            package(6, "Sends only what has changed since the last run: a tenth of the calls."),
        ],
    },
    Plan {
        name: PRICE_PUSH,
        component_type: Process,
        packages: &[
            package(59, "First version."),
            package(7, "Tiered prices."),
            package(5, "Tiered prices, and currencies without cents."),
        ],
    },
    Plan {
        name: INVENTORY_SYNC,
        component_type: Process,
        packages: &[
            package(58, "First version."),
            package(20, "Counts reserved stock as not available."),
            package(9, "Reads several warehouses in one run."),
            internal(2, "Try-out of the event feed; not for customers."),
        ],
    },
    Plan {
        name: ORDER_IMPORT,
        component_type: Process,
        packages: &[
            package(59, "First version."),
            package(36, "Takes orders with several delivery addresses."),
            package(4, "Keeps the shop's order number when an order is split."),
        ],
    },
    Plan {
        name: ORDER_STATUS,
        component_type: Process,
        packages: &[package(59, "First version."), package(4, "Says why an order is on hold.")],
    },
    Plan {
        name: ORDERS_API,
        component_type: ApiService,
        packages: &[package(57, "Orders by number and by date."), package(34, "Adds the field `channel`.")],
    },
    Plan {
        name: CUSTOMERS_API,
        component_type: ApiService,
        packages: &[
            labelled(56, "2025-R1", "Customers and their addresses."),
            labelled(14, "2025-R2", "Adds consents, with the date they were given."),
        ],
    },
    Plan {
        name: INVOICE_EXPORT,
        component_type: Process,
        packages: &[package(55, "UBL 2.1."), package(25, "Peppol BIS Billing 3.0.")],
    },
    Plan { name: REMITTANCE_IMPORT, component_type: Process, packages: &[package(55, "Reads camt.054.")] },
    Plan {
        name: SHIPMENT_TRACKING,
        component_type: Process,
        packages: &[
            package(50, "Polls two carriers."),
            package(12, "Polls six carriers, each at its own pace."),
            package(5, "Polls eight carriers, and says which parcels are late."),
        ],
    },
    Plan {
        name: ONBOARDING,
        component_type: Process,
        packages: &[package(18, "First version."), internal(3, "Half way to the new forms.")],
    },
    Plan { name: RETURNS_INTAKE, component_type: Process, packages: &[package(10, "First version.")] },
    // Only published, for a legacy pack; never packaged (R52).
    Plan { name: TILL_RECEIPTS, component_type: Process, packages: &[] },
    Plan {
        name: GATEWAY_CERTIFICATE,
        component_type: Certificate,
        packages: &[internal(59, "Ends in eleven months.")],
    },
    Plan { name: EDIFACT_LIBRARY, component_type: CustomLibrary, packages: &[internal(59, "D.96A and D.01B.")] },
];

/// Where a package comes from: a repository of the publisher's, and its build.
pub(super) fn source(component: &str, index: usize) -> Source {
    let (repository, commit) =
        (format!("https://git.brightwater.example/{}", key_of(component)), digits(component, index, 40));
    Source {
        commit_url: Some(format!("{repository}/commit/{commit}")),
        build_url: Some(format!("https://ci.brightwater.example/{}/{}", key_of(component), index + 1)),
        repository_url: Some(repository),
        reference: Some("main".into()),
        commit: Some(commit),
        pull_request_url: None,
    }
}

/// The archive that a package stands for.
pub(super) fn artifact(component: &str, index: usize) -> Artifact {
    Artifact {
        uri: format!("https://files.brightwater.example/{}/{}.zip", key_of(component), index + 1),
        digest: Some(format!("sha256:{}", digits(component, index, 64))),
        size: i32::try_from(20_000 + 137 * index).ok(),
        media_type: Some("application/zip".into()),
    }
}

/// Hexadecimal digits that depend only on the package, so that they are the same in each demo.
fn digits(component: &str, index: usize, count: usize) -> String {
    let hash = Sha256::digest(format!("{component} {index}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(count).collect()
}

/// The support data of most packs (R17).
pub(super) fn support(desk: &str, page: &str) -> SupportInfo {
    SupportInfo {
        contact: Some(format!("{desk}, support@brightwater.example, +49 30 5550 100")),
        url: Some(format!("https://support.brightwater.example/{page}")),
        installation_guide: Some(Guide::Text(
            "1. Install the pack.\n2. Set the endpoint and the credentials of your system.\n3. Run the test connection.\n4. Deploy.".into(),
        )),
        user_guide: Some(Guide::Url(format!("https://docs.brightwater.example/{page}"))),
        prerequisites: Some(Guide::Text("- An account that may read orders and products\n- Port 443 open to the outside".into())),
    }
}
