//! The pages of `docs/` list exactly the settings, commands and codes that the program has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const API: &str = include_str!("../../docs/api.md");

/// The sources that contain values of `extensions.code`.
const PLACES: &[&str] = &["src/http", "src/graphql/error.rs", "src/gate/objection.rs"];

fn sources(root_path: &Path) -> Vec<PathBuf> {
    if root_path.is_file() {
        return vec![root_path.to_owned()];
    }
    let entries = std::fs::read_dir(root_path).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| sources(&path)).collect()
}

/// The strings in a source that look like an error code: capitals and underscores. Variables of the build don't count.
fn codes_in(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter(|line| !line.contains("env!(")).flat_map(|line| {
        line.split('"').filter(|text| text.len() > 4 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
    })
}

/// The first cells of the table below a heading, without their backticks.
fn first_cells<'a>(page: &'a str, head: &str) -> BTreeSet<&'a str> {
    let (_, table) = page.split_once(head).expect("the table is there");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('`').nth(1)).collect()
}

#[test]
fn the_page_on_the_api_has_each_error_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<String> = PLACES
        .iter()
        .flat_map(|root_path| sources(&root.join(root_path)))
        .map(|file| std::fs::read_to_string(file).expect("a source"))
        .collect();
    let written: BTreeSet<&str> = texts.iter().flat_map(|text| codes_in(text)).collect();
    assert!(written.contains("CURSOR_EXPIRED") && written.contains("RATE_LIMITED"), "{written:?}");
    let told = first_cells(API, "| Code | Means | What to do |\n");
    assert_eq!(told, written);
}

#[test]
fn the_page_on_the_api_names_each_enum_of_rules_that_refuse() {
    let schema = packwright::graphql::sdl();
    let enums = schema.lines().filter_map(|line| line.strip_prefix("enum ")?.split(' ').next());
    let missing: Vec<_> =
        enums.filter(|name| name.ends_with("ErrorCode") && !API.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// All pages of the documentation.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root_paths = [
        "docs",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "examples/README.md",
        "tests/schemas/README.md",
    ];
    let all = root_paths.iter().flat_map(|root_path| sources(&root.join(root_path)));
    all.filter(|file| file.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The anchors of a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            text.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
        })
        .collect()
}

#[test]
fn each_link_of_a_page_leads_somewhere() {
    let mut links = 0;
    for page in pages() {
        // Code isn't searched for links.
        let text: String = std::fs::read_to_string(&page).expect("a page").split('`').step_by(2).collect();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(target.exists(), "{} leads to {link}", page.display());
            let is_there = || anchors(&std::fs::read_to_string(&target).expect("a page")).contains(anchor);
            assert!(anchor.is_empty() || is_there(), "{} leads to {link}", page.display());
        }
    }
    assert!(links > 50, "only {links} links were found");
}
