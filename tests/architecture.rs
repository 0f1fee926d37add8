//! The allowed dependencies between the modules, read from the sources, so that a wrong import fails a test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which other modules each module may import. `main`, `cli`, `app` and `demo` connect them.
const ALLOWED: &[(&str, &[&str])] = &[
    // Pure functions: `now` is a parameter, and callers pass the facts that a rule needs.
    ("domain", &[]),
    ("clock", &["domain"]),
    ("ids", &["clock"]),
    ("jwt", &["domain", "outbound"]),
    ("signing", &[]),
    ("stop", &[]),
    // A client for requests to others.
    ("outbound", &["domain"]),
    ("zones", &["domain"]),
    // Knows nobody, and all that count something know it.
    ("metrics", &[]),
    // The same; and it sends to a collector.
    ("traces", &["clock", "ids", "metrics", "outbound"]),
    ("store", &["domain", "metrics", "traces"]),
    (
        "service",
        &["domain", "store", "clock", "ids", "jwt", "metrics", "outbound", "signing", "stop", "traces", "zones"],
    ),
    ("events", &["domain", "store", "service::error", "clock", "metrics"]),
    ("scheduler", &["domain", "service", "clock", "metrics", "stop", "traces"]),
    // Delivers events to endpoints. What it sends is made by the engine, which `app` connects.
    ("webhooks", &["domain", "service", "store", "ids", "stop", "traces"]),
    ("graphql", &["domain", "service", "events", "store", "ids", "zones"]),
    // Pure functions of their input.
    ("comparison", &[]),
    ("gate", &[]),
    ("http", &["gate", "graphql", "service", "ids", "metrics", "stop", "traces"]),
    // Generates a world without the database. The store writes it, and the command connects both.
    ("seed", &["domain", "zones"]),
    ("telemetry", &["config"]),
    ("main", &["cli"]),
    ("lib", &[]),
    // The parsers of options need hosts and the locations of time zone data.
    ("config", &["domain::host", "domain::webhooks", "traces", "zones"]),
    ("app", EVERYTHING),
    ("cli", EVERYTHING),
    ("demo", EVERYTHING),
];

const EVERYTHING: &[&str] = &[
    "app",
    "cli",
    "clock",
    "comparison",
    "config",
    "demo",
    "domain",
    "events",
    "gate",
    "graphql",
    "http",
    "ids",
    "jwt",
    "metrics",
    "outbound",
    "scheduler",
    "seed",
    "service",
    "signing",
    "stop",
    "store",
    "telemetry",
    "traces",
    "webhooks",
    "zones",
];

/// Files that may import more, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("scheduler/tick.rs", "store::followup", "asks which tasks are due; what it then does is service's"),
    ("scheduler/tick.rs", "store::releases", "asks which packs are due; what it then does is service's"),
    ("scheduler/failure_log.rs", "store::followup", "names the work of a task that failed"),
    ("graphql/context.rs", "scheduler", "demoAdvanceClock lets the scheduler finish what is due"),
    ("graphql/schema.rs", "scheduler", "the same"),
    ("graphql/schema.rs", "gate", "what the gate has to know of the schema"),
    ("graphql/demo.rs", "scheduler", "the same"),
    ("config.rs", "service", "the settings of the rules are its own"),
    ("config/database.rs", "store::address", "an address is checked where it is given"),
    ("http/metrics.rs", "domain::accounts", "whose administrators may ask for the metrics"),
    ("http/connections/mod.rs", "clock", "the date of an answer is the system's, whatever clock the rules go by"),
];

/// The layers that have a folder for each subject. The files of a subject are its own business: others use the names
/// that its `mod.rs` exports.
const LAYERS: &[&str] = &["domain", "store", "service", "graphql"];

/// In this layer other layers name the files of a subject: each is the reads or the writes of a table, and names such
/// as `by_ids` and `save` say which table they mean only together with their file. Between its own subjects the rule
/// holds.
const OPEN_TO_OTHER_LAYERS: &str = "store";

/// Files that may name files of other subjects, each with its reason.
const FACE_EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("store/releases/read.rs", "store::installations::progress", "its functions are parts of one statement"),
    ("store/seed/", "store", "writes the rows of all subjects, as these make them"),
];

/// A source file has fewer lines.
const LINES: usize = 400;

/// A source file: its path below `src`, and its text without comments.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The module that the file is in: `store` for `store/packs/read.rs`, `app` for `app.rs`.
    fn layer(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_under(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| self.path.starts_with(prefix))
    }

    /// Whether the code contains the word as a whole: `sea_orm` is in `sea_orm::X`, but not in `not_sea_orm`.
    fn names(&self, word: &str) -> bool {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).any(|(at, _)| {
            let after = &self.code[at + word.len()..];
            !self.code[..at].ends_with(part) && (!word.ends_with(part) || !after.starts_with(part))
        })
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code =
                    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path, code });
            }
        }
    }
    assert!(found.len() > 20, "only {} files were found", found.len());
    found
}

/// The paths within the crate that a file imports, such as `store::packs::by_ids`. Groups are split, and `super` is
/// resolved where it leaves the module.
fn paths(source: &Source) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, prefix) in [("crate::", ""), ("packwright::", "")] {
        for (at, _) in source.code.match_indices(start) {
            // Not within a name, a macro's `$crate`, or a text such as the target of a log line.
            if !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"')) {
                take(&source.code[at + start.len()..], prefix, &mut found);
            }
        }
    }
    let depth = module(&source.path).len();
    for (at, _) in source.code.match_indices("super::") {
        if source.code[..at].ends_with("super::") {
            continue;
        }
        let rest = &source.code[at..];
        let ups = rest.split("::").take_while(|part| *part == "super").count();
        if ups >= depth {
            take(&rest[ups * "super::".len()..], "", &mut found);
        }
    }
    found
}

/// The module of a file: `["store", "packs", "read"]` for `store/packs/read.rs`.
fn module(path: &str) -> Vec<&str> {
    path.strip_suffix(".rs").unwrap_or(path).split('/').filter(|part| *part != "mod").collect()
}

/// Adds one path, or each path of a group in braces.
fn take(code: &str, prefix: &str, found: &mut BTreeSet<String>) {
    if let Some(group) = code.strip_prefix('{') {
        let mut level = 0_usize;
        let mut start = 0;
        for (at, c) in group.char_indices() {
            match c {
                '{' => level += 1,
                ',' | '}' if level == 0 => {
                    take(group[start..at].trim_start(), prefix, found);
                    start = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                '}' => level -= 1,
                _ => {}
            }
        }
        return;
    }
    let end = code.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(code.len());
    let path = code[..end].trim_end_matches(':');
    if code[end..].starts_with('{') && code[..end].ends_with("::") {
        take(&code[end..], &format!("{prefix}{path}::"), found);
    } else if !path.is_empty() {
        found.insert(format!("{prefix}{path}"));
    }
}

/// Whether `path` is `allowed` or below it.
fn is_below(path: &str, allowed: &str) -> bool {
    path == allowed || path.strip_prefix(allowed).is_some_and(|rest| rest.starts_with("::"))
}

#[test]
fn layers_know_only_the_layers_that_they_may() {
    let mut wrong = Vec::new();
    for source in sources() {
        let layer = source.layer();
        let allowed = ALLOWED.iter().find(|(name, _)| *name == layer);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("src/{} is in no layer that has rules", source.path));
        for path in paths(&source) {
            let own = path.split("::").next() == Some(layer) || layer == "lib" && !path.contains("::");
            let fine = own || allowed.iter().any(|allowed| is_below(&path, allowed));
            let excepted = EXCEPTIONS.iter().any(|(file, allowed, _)| *file == source.path && is_below(&path, allowed));
            if !fine && !excepted {
                wrong.push(format!("src/{} names crate::{path}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All paths within the crate that a file names: those of [`paths`], and those that begin with `super` and stay in the
/// module.
fn all_paths(source: &Source) -> BTreeSet<String> {
    let mut found = paths(source);
    let here = module(&source.path);
    for (at, _) in source.code.match_indices("super::") {
        if source.code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':')) {
            continue;
        }
        let rest = &source.code[at..];
        let ups = rest.split("::").take_while(|part| *part == "super").count();
        if ups < here.len() {
            let prefix = here[..here.len() - ups].join("::");
            take(&rest[ups * "super::".len()..], &format!("{prefix}::"), &mut found);
        }
    }
    found
}

/// The subjects' files: `store::packs::read` for `store/packs/read.rs`.
fn inner_files(sources: &[Source]) -> BTreeSet<String> {
    let modules = sources.iter().map(|source| module(&source.path));
    let inner: BTreeSet<_> =
        modules.filter(|path| path.len() >= 3 && LAYERS.contains(&path[0])).map(|path| path[..3].join("::")).collect();
    assert!(inner.len() > 50, "{inner:?}");
    inner
}

/// The files of other subjects that a file names, without regard to exceptions.
fn past_the_face(source: &Source, inner: &BTreeSet<String>) -> Vec<String> {
    let own = module(&source.path);
    let foreign = |path: &String| {
        let parts: Vec<_> = path.split("::").take(3).collect();
        let is_open = parts[0] == OPEN_TO_OTHER_LAYERS && own.first() != Some(&OPEN_TO_OTHER_LAYERS);
        parts.len() == 3 && inner.contains(&parts.join("::")) && own.get(..2) != Some(&parts[..2]) && !is_open
    };
    all_paths(source).into_iter().filter(foreign).collect()
}

#[test]
fn subjects_know_the_faces_of_other_subjects_alone() {
    let sources = sources();
    let inner = inner_files(&sources);
    let mut wrong = Vec::new();
    for source in &sources {
        for path in past_the_face(source, &inner) {
            let excepted =
                |(file, allowed, _): &(&str, &str, &str)| source.path.starts_with(file) && is_below(&path, allowed);
            if !FACE_EXCEPTIONS.iter().any(excepted) {
                wrong.push(format!(
                    "src/{} names crate::{path}: use a name that the subject's mod.rs exports",
                    source.path
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The compiler holds the rule where the files of a subject are private.
#[test]
fn the_files_of_a_subject_are_private() {
    for source in sources() {
        let path: Vec<_> = source.path.split('/').collect();
        let is_face = path.len() == 3 && path[2] == "mod.rs" && LAYERS.contains(&path[0]);
        if !is_face || path[0] == OPEN_TO_OTHER_LAYERS {
            continue;
        }
        let open = source.code.lines().find(|line| line.starts_with("pub") && line.contains(" mod "));
        assert_eq!(open, None, "src/{} has a file that isn't private: export the names that others need", source.path);
    }
}

#[test]
fn each_exception_is_still_needed() {
    let sources = sources();
    let inner = inner_files(&sources);
    for (file, allowed, _) in FACE_EXCEPTIONS {
        let mut of_file = sources.iter().filter(|source| source.path.starts_with(file));
        let used = of_file.any(|source| past_the_face(source, &inner).iter().any(|path| is_below(path, allowed)));
        assert!(used, "src/{file} doesn't name crate::{allowed}: take the exception out");
    }
    for (file, allowed, _) in EXCEPTIONS {
        let source = sources.iter().find(|source| source.path == *file);
        let used = source.is_some_and(|source| paths(source).iter().any(|path| is_below(path, allowed)));
        assert!(used, "src/{file} doesn't name crate::{allowed}: take the exception out");
    }
}

/// A file beside the subjects' folders is where somebody looks who doesn't know its name yet.
#[test]
fn the_page_names_each_file_that_a_whole_layer_uses() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, list) = page.split_once("Files that a whole layer uses are beside").unwrap();
    let (list, _) = list.split_once("\nAround them:").unwrap();
    for source in sources() {
        let Some((layer, file)) = source.path.split_once('/') else { continue };
        if !LAYERS.contains(&layer) || file.contains('/') || file == "mod.rs" {
            continue;
        }
        let (_, of_layer) = list.split_once(&format!("\n- `{layer}/`:")).unwrap();
        let of_layer = of_layer.split("\n- ").next().unwrap_or_default();
        assert!(of_layer.contains(&format!("`{file}`")), "docs/architecture.md doesn't say what src/{layer}/{file} is");
    }
}

#[test]
fn no_file_is_long() {
    for source in sources() {
        let lines = source.code.lines().count();
        assert!(lines < LINES, "src/{} has {lines} lines: split it by the meaning of its parts", source.path);
    }
}

/// Fails for each file outside `layers` that uses one of the crates.
fn only(crates: &[&str], layers: &[&str]) {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_under(layers)) {
        wrong.extend(
            crates.iter().filter(|name| source.names(name)).map(|name| format!("src/{} names {name}", source.path)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_store_knows_a_database() {
    only(&["sea_orm", "sqlx::", "use entity", "entity::"], &["store/"]);
    only(&["migration"], &["app.rs", "cli.rs", "cli/", "store/"]);
}

#[test]
fn only_the_outer_layers_know_graphql_and_http() {
    only(&["async_graphql", "async_graphql_axum"], &["graphql/", "http/", "app.rs"]);
    // `cli/serve.rs` binds the socket and passes it on.
    only(&["axum", "tower_http", "async_graphql_axum"], &["http/", "app.rs", "cli/serve.rs"]);
    only(&["dataloader"], &["graphql/batch.rs"]);
}

#[test]
fn the_domain_the_comparison_and_the_seed_are_pure() {
    let outside = [
        "tokio",
        "tracing",
        "sea_orm",
        "async_graphql",
        "axum",
        "getrandom",
        "async fn",
        ".await",
        "std::fs",
        "std::env",
    ];
    for source in sources().iter().filter(|source| source.is_under(&["comparison/", "domain/", "seed/"])) {
        for name in outside {
            assert!(!source.code.contains(name), "src/{} names {name}", source.path);
        }
    }
}

/// The commands for pipelines ask a server as any other client does.
#[test]
fn the_client_for_pipelines_knows_the_schema_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipeline");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for own in ["packwright", "entity", "migration"] {
        assert!(!manifest.lines().any(|line| line.starts_with(own)), "pipeline/Cargo.toml names {own}");
    }
    assert!(!manifest.contains("path = \"..") && std::fs::read_dir(folder.join("operations")).unwrap().count() > 10);
    only(&["pipeline::"], &["cli.rs", "cli/"]);
    // What the commands decide is decided without a connection, a file and a clock.
    for pure in ["markdown", "plan", "request_id", "sse", "stages", "surroundings", "verdict"] {
        let code = std::fs::read_to_string(folder.join(format!("src/{pure}.rs"))).unwrap();
        for name in ["tokio", "hyper", "async fn", ".await", "std::fs", "std::env", "std::time"] {
            assert!(!code.contains(name), "pipeline/src/{pure}.rs names {name}");
        }
    }
    let mut folders = vec![folder.join("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines < LINES, "{} has {lines} lines", path.display());
            }
        }
    }
}

#[test]
fn only_use_cases_open_transactions() {
    for source in sources().iter().filter(|source| !source.is_under(&["service/", "store/"])) {
        assert!(!source.code.contains(".begin("), "src/{} opens a transaction", source.path);
    }
}

#[test]
fn resolvers_read_and_never_write() {
    let sources = sources();
    // Functions that write have the transaction as a parameter.
    let writing: Vec<String> = sources
        .iter()
        .filter(|source| source.is_under(&["store/"]) && source.code.contains("tx: &Tx"))
        .map(|source| module(&source.path).join("::"))
        .collect();
    assert!(writing.len() > 10, "{writing:?}");
    for source in sources.iter().filter(|source| source.is_under(&["graphql/", "http/"])) {
        let paths = paths(source);
        let wrong: Vec<_> = paths.iter().filter(|path| writing.iter().any(|module| is_below(path, module))).collect();
        assert!(wrong.is_empty(), "src/{} names {wrong:?}", source.path);
        for writing in ["Tx", ".commit("] {
            assert!(!source.names(writing), "src/{} names {writing}", source.path);
        }
    }
}

#[test]
fn r03_scopes_are_made_from_an_authenticated_token_alone() {
    for source in sources().iter().filter(|source| !source.is_under(&["service/access.rs"])) {
        for maker in ["PublisherScope::of", "ManagedScope::of"] {
            assert!(!source.code.contains(maker), "src/{} makes a scope of its own", source.path);
        }
    }
    let here = sources().into_iter().find(|source| source.path == "store/scope.rs").unwrap();
    assert_eq!(here.code.matches("pub(crate) fn of(").count(), 2, "nobody outside the crate can make one");
    assert!(!here.code.contains("pub fn of("));
}

#[test]
fn r03_resolvers_read_in_the_scope_of_their_caller_alone() {
    for source in sources().iter().filter(|source| source.is_under(&["graphql/", "http/"])) {
        for name in ["whole_server", "WholeServer"] {
            assert!(!source.names(name), "src/{} reads the rows of all accounts", source.path);
        }
    }
}

#[test]
fn r40_one_clock_gives_now() {
    let own = ["Utc::now", "Local::now", "SystemTime::now", "now_v7", "CURRENT_TIMESTAMP", "now()"];
    for source in sources().iter().filter(|source| !source.is_under(&["clock.rs"])) {
        for reading in own {
            let found = source
                .code
                .match_indices(reading)
                .any(|(at, _)| reading != "now()" || source.code[..at].ends_with([' ', '"', '(']));
            assert!(!found, "src/{} reads a clock with {reading}", source.path);
        }
    }
}

/// PostgreSQL scans the result of a `NOT IN` subquery for every row once it exceeds the working memory. A rollout to
/// 210,000 installations never finished because of that. `NOT EXISTS` has no such problem.
#[test]
fn nothing_uses_not_in_with_a_subquery() {
    for source in sources() {
        let code = source.code.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        for spelling in ["not_in_subquery", "not in (select", "not in ( select"] {
            assert!(!code.contains(spelling), "src/{} asks for what is NOT IN a subquery", source.path);
        }
    }
}

#[test]
fn r30_use_cases_read_the_clock_once_they_hold_their_locks() {
    // These read the clock before a transaction: to authenticate, or to find the age of old rows. `instant.rs` reads it
    // within one.
    let before = [
        "instant.rs",
        "accounts/pipelines.rs",
        "accounts/tokens.rs",
        "accounts/signed_tokens.rs",
        "accounts/token_watch.rs",
        "log/retention.rs",
        "followup/runner.rs",
    ];
    let allowed = before.map(|file| format!("service/{file}"));
    for source in sources().iter().filter(|source| source.is_under(&["service/"])) {
        let reads = source.code.contains("clock.now()");
        assert!(!reads || allowed.contains(&source.path), "src/{} reads the clock itself", source.path);
    }
}

#[test]
fn the_log_has_the_ids_of_the_api_and_no_others() {
    for source in sources() {
        for (at, _) in source.code.match_indices(".0") {
            let before = source.code[..at].trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'));
            let is_logged = before.ends_with("= %") || before.ends_with("field::display(");
            let is_part = source.code[at + 2..].starts_with([',', ')']);
            assert!(!(is_logged && is_part), "{}: log the id itself, not its UUID", source.path);
        }
    }
}

#[test]
fn the_reader_of_the_sources_is_right() {
    let source = |code: &str| Source { path: "graphql/packs/draft.rs".into(), code: code.into() };
    let found = |code: &str| paths(&source(code)).into_iter().collect::<Vec<_>>();
    assert_eq!(found("use crate::store::packs;"), ["store::packs"]);
    assert_eq!(found("use crate::{store::{packs, page::Page}, ids};"), ["ids", "store::packs", "store::page::Page"]);
    assert_eq!(found("let a = crate::clock::Clock::system();"), ["clock::Clock::system"]);
    assert_eq!(found(r#"tracing::debug!(target: "packwright::sql", "done");"#), Vec::<String>::new());
    assert_eq!(found("use super::super::context::X;"), Vec::<String>::new(), "still inside the layer");
    let named = |code: &str| all_paths(&source(code)).into_iter().collect::<Vec<_>>();
    assert_eq!(named("use super::super::releases::release::Release;"), ["graphql::releases::release::Release"]);
    assert_eq!(
        named("use super::pack_diff::{A, B};"),
        ["graphql::packs::pack_diff::A", "graphql::packs::pack_diff::B"]
    );
    assert_eq!(found("use super::super::super::store::X;"), ["store::X"]);
    assert_eq!(found("pub(crate) fn x() {} macro_rules! m { () => { $crate::domain::id } }"), Vec::<String>::new());
    assert!(source("use sea_orm::X").names("sea_orm") && !source("use not_sea_orm::X").names("sea_orm"));
    assert!(source("entity::pack::Model").names("entity::") && !source("an_entity::X").names("entity::"));
}
