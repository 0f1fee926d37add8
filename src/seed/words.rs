//! The names and texts of the generated world.

use super::rng::Rng;

const FIRST: &[&str] = &[
    "Alder",
    "Amber",
    "Aspen",
    "Atlas",
    "Baltic",
    "Beacon",
    "Birch",
    "Bluestone",
    "Bramble",
    "Bridgewell",
    "Cascade",
    "Cedar",
    "Cobalt",
    "Copper",
    "Corvid",
    "Dune",
    "Eastgate",
    "Elm",
    "Ember",
    "Falcon",
    "Fern",
    "Fjord",
    "Garnet",
    "Granite",
    "Harrow",
    "Hazel",
    "Heron",
    "Indigo",
    "Ironwood",
    "Juniper",
    "Kestrel",
    "Lark",
    "Linden",
    "Maple",
    "Meridian",
    "Moss",
    "Northfield",
    "Oakham",
    "Onyx",
    "Osprey",
    "Pinecrest",
    "Quarry",
    "Rowan",
    "Saffron",
    "Sierra",
    "Tamarack",
    "Willow",
    "Zephyr",
];
const SECOND: &[&str] = &[
    "Apparel",
    "Automotive",
    "Bakeries",
    "Bearings",
    "Beverages",
    "Books",
    "Brands",
    "Ceramics",
    "Chemicals",
    "Cycles",
    "Dairies",
    "Electronics",
    "Energy",
    "Farms",
    "Fashion",
    "Foods",
    "Furniture",
    "Health",
    "Hotels",
    "Instruments",
    "Lighting",
    "Logistics",
    "Machinery",
    "Optics",
    "Outdoor",
    "Packaging",
    "Paper",
    "Pharma",
    "Shoes",
    "Textiles",
    "Tools",
    "Toys",
];
const FORM: &[&str] = &["AB", "AG", "BV", "GmbH", "Inc.", "Ltd", "Oy", "SA"];
const SOURCES: &[&str] = &[
    "Shop",
    "Marketplace",
    "CRM",
    "PIM",
    "Warehouse",
    "Till",
    "Portal",
    "EDI",
    "Payroll",
    "Factory",
    "Field service",
    "Helpdesk",
    "Bank",
    "Carrier",
    "Supplier",
    "Campaign",
    "Booking",
    "Sensor",
    "Contract",
    "Procurement",
];
const TARGETS: &[&str] = &[
    "ERP",
    "data lake",
    "ledger",
    "customer base",
    "depot",
    "storefront",
    "intranet",
    "archive",
    "planning",
    "treasury",
    "HR",
    "reporting",
    "MES",
    "ticketing",
    "tax office",
    "customs",
    "search",
    "newsletter",
];
const OBJECTS: &[&str] = &[
    "orders",
    "invoices",
    "products",
    "prices",
    "stock",
    "customers",
    "contacts",
    "shipments",
    "returns",
    "payments",
    "contracts",
    "employees",
    "timesheets",
    "leads",
    "cases",
    "forecasts",
    "budgets",
    "assets",
    "meters",
    "recipes",
    "batches",
    "claims",
    "vouchers",
    "subscriptions",
];
const VERBS: &[&str] =
    &["import", "export", "sync", "status", "mapping", "validation", "archive", "notification", "report", "lookup"];
const GROUPS: &[&str] = &[
    "Retail",
    "Manufacturing",
    "Early adopters",
    "Nordics",
    "DACH",
    "Benelux",
    "Iberia",
    "Wholesale",
    "Logistics",
    "Healthcare",
    "Public sector",
    "Finance",
    "Hospitality",
    "Energy",
    "Pilot customers",
    "Premium",
    "Standard",
    "Partners",
    "Franchise",
    "Food",
];
const PLACES: &[&str] = &[
    "Hamburg", "Lyon", "Porto", "Gdansk", "Turin", "Utrecht", "Malmö", "Graz", "Basel", "Ghent", "Aarhus", "Tampere",
    "Bilbao", "Brno", "Cork", "Leeds", "Bergen", "Riga", "Split", "Patras",
];
const ZONES: &[&str] = &[
    "Europe/Berlin",
    "Europe/London",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Helsinki",
];
const NEWS: &[&str] = &[
    "Reads only what has changed since the last run.",
    "Retries a call that was answered too late.",
    "A rejected record says why, and stops nothing else.",
    "Amounts in currencies without cents.",
    "Addresses with more than two lines.",
    "Follows the newest version of the interface.",
    "Less memory for large files.",
    "Dates are read in the zone of whoever sent them.",
    "Names the document that a message belongs to.",
    "A run can be started again where it was broken off.",
];

pub(super) const PUBLISHER: &str = "Harborline Integrations";
pub(super) const PUBLISHER_ZONE: &str = "Europe/Berlin";
/// The names of the settings of packages.
pub(super) const SETTINGS: &[&str] = &["endpoint", "batchSize", "credentials", "schedule", "timeout"];

/// Chooses a word from each list, a different combination for each number. Also returns how often all combinations have
/// been used up before. Combinations of consecutive numbers differ in every word.
fn words<const N: usize>(number: usize, lists: [&[&'static str]; N]) -> ([&'static str; N], usize) {
    let total: usize = lists.iter().map(|list| list.len()).product();
    // A prime number that divides the length of no list.
    let mut nth = (number % total * 4591 + 17) % total;
    let words = lists.map(|list| {
        let word = list[nth % list.len()];
        nth /= list.len();
        word
    });
    (words, number / total)
}

fn numbered(name: String, round: usize) -> String {
    if round == 0 { name } else { format!("{name} {}", round + 1) }
}

/// The name of an account, unique.
pub(super) fn account(number: usize) -> String {
    let ([first, second, form], round) = words(number, [FIRST, SECOND, FORM]);
    numbered(format!("{first} {second} {form}"), round)
}

/// The name of a pack, unique.
pub(super) fn pack(number: usize) -> String {
    let ([source, target, objects], round) = words(number, [SOURCES, TARGETS, OBJECTS]);
    numbered(format!("{source} to {target} {objects}"), round)
}

/// The name of a component, not unique.
pub(super) fn component(number: usize) -> String {
    let ([source, objects, verb], _) = words(number, [SOURCES, OBJECTS, VERBS]);
    format!("{source} {objects} {verb}")
}

/// The name of a group, unique.
pub(super) fn group(number: usize) -> String {
    numbered(GROUPS[number % GROUPS.len()].to_owned(), number / GROUPS.len())
}

/// The override name of an installation, unique within an account for each `number`.
pub(super) fn installation(pack: &str, number: usize) -> String {
    numbered(format!("{pack}, {}", PLACES[number % PLACES.len()]), number / PLACES.len())
}

pub(super) fn zone(rng: &mut Rng) -> &'static str {
    rng.pick(ZONES)
}

pub(super) fn package_notes(rng: &mut Rng) -> String {
    rng.pick(NEWS).to_owned()
}

pub(super) fn release_notes(number: i32, rng: &mut Rng) -> String {
    if number == 1 {
        return "The first release.".into();
    }
    let (one, another) = (rng.pick(NEWS), rng.pick(NEWS));
    if one == another { format!("- {one}") } else { format!("- {one}\n- {another}") }
}
