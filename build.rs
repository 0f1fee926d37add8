//! Builds `graphiql/`, the editor at `/graphiql`, and makes it part of the program.
//!
//! A failure here never stops the build: without npm, or when npm fails, there is a warning, and the server offers the
//! query form of `src/http/graphiql/` instead. The build happens in `OUT_DIR`, and only when a source of the editor has
//! changed. `PACKWRIGHT_SKIP_GRAPHIQL=1` skips the editor.

#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

use std::collections::hash_map::DefaultHasher;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources of the editor, below `graphiql/`. A developer's `node_modules` there isn't used.
const SOURCES: &[&str] = &[
    "package.json",
    "package-lock.json",
    ".npmrc",
    "index.html",
    "vite.config.js",
    "tour.js",
    "stages.js",
    "webhooks.js",
    "src",
];
/// The examples that the editor and the query form offer.
const OPERATIONS: &str = "examples/operations";
const SKIP: &str = "PACKWRIGHT_SKIP_GRAPHIQL";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    for source in SOURCES {
        println!("cargo::rerun-if-changed=graphiql/{source}");
    }
    println!("cargo::rerun-if-env-changed={SKIP}");
    pack_relocations();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={OPERATIONS}");
    write_changed(&out.join("operations.rs"), &operations(Path::new(OPERATIONS))?)?;
    let assets = if is_left_out() { None } else { built(&out) };
    write_changed(&out.join("graphiql.rs"), assets.as_deref().unwrap_or("&[]"))
}

/// Packs the addresses that the system's loader adjusts at a start: unpacked they are a megabyte of the program, which
/// an idle server holds in memory. The loader of glibc reads packed ones since 2.36, so the C library of this machine
/// decides.
fn pack_relocations() {
    let [target, host] = ["TARGET", "HOST"].map(|name| std::env::var(name).unwrap_or_default());
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && target == host && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's GNU C library; `None` on a system with another one.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Clippy doesn't need the editor.
fn is_left_out() -> bool {
    std::env::var_os("CLIPPY_ARGS").is_some()
        || std::env::var(SKIP).is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}

/// The files of the built editor; `None`, with a warning, when it can't be built.
fn built(out: &Path) -> Option<String> {
    build(out)
        .and_then(|dist| list(out, &dist))
        .inspect_err(|error| {
            println!("cargo::warning=GraphiQL was not built, a plain query form is served instead: {error}");
            println!("cargo::warning=To try again, touch graphiql/package.json; {SKIP}=1 leaves GraphiQL out.");
        })
        .ok()
}

fn build(out: &Path) -> Result<PathBuf> {
    let project = out.join("graphiql");
    let dist = project.join("dist");
    let (stamp, locked) = (out.join("graphiql.built"), out.join("graphiql.installed"));
    let sources = files(Path::new("graphiql"))?;
    let state = hash(sources.iter())?;
    if dist.is_dir() && fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == state) {
        return Ok(dist);
    }
    _ = fs::remove_file(&stamp);
    copy(&sources, &project)?;
    let packages =
        hash(sources.iter().filter(|path| path.ends_with("package.json") || path.ends_with("package-lock.json")))?;
    if !fs::read_to_string(&locked).is_ok_and(|locked| locked == packages) {
        _ = fs::remove_file(&locked);
        // Packages' scripts aren't run. Without a network npm should fail soon.
        let install = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
        npm(
            &project,
            &[&install[..], &["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"]].concat(),
        )?;
        fs::write(&locked, &packages)?;
    }
    npm(&project, &["run", "build"])?;
    fs::write(&stamp, &state)?;
    Ok(dist)
}

/// All source files, sorted.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open: Vec<_> = SOURCES.iter().map(|source| root.join(source)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn hash<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        path.hash(&mut hasher);
        fs::read(path)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Copies the sources into `project`, and removes older ones.
fn copy(sources: &[PathBuf], project: &Path) -> Result<()> {
    for old in ["src", "dist"] {
        _ = fs::remove_dir_all(project.join(old));
    }
    for source in sources {
        let target = project.join(source.strip_prefix("graphiql")?);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(source, target)?;
    }
    Ok(())
}

fn npm(project: &Path, arguments: &[&str]) -> Result<()> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program).args(arguments).current_dir(project).output();
    let output = output.map_err(|error| format!("npm can't be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let log = project.join("npm.log");
    fs::write(&log, [output.stdout, output.stderr].concat())?;
    Err(format!("npm {} failed, see {}", arguments[0], log.display()).into())
}

/// The editor's files as a slice of `Asset`, for `src/http/graphiql/editor.rs`.
fn list(out: &Path, dist: &Path) -> Result<String> {
    let mut paths = Vec::new();
    let mut open = vec![dist.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let mut list = "&[\n".to_owned();
    for path in paths {
        let name = with_slashes(&path.strip_prefix(dist)?.with_extension(""))?;
        let media_type = media_type(&name)?;
        let file = below("OUT_DIR", path.strip_prefix(out)?)?;
        writeln!(list, "    Asset {{ name: {name:?}, media_type: {media_type:?}, gzip: include_bytes!({file}) }},")?;
    }
    Ok(list + "]")
}

/// The documents in a folder, sorted by name, as a slice of pairs for `src/http/graphiql.rs`.
fn operations(folder: &Path) -> Result<String> {
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut documents: Vec<_> =
        files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "graphql")).collect();
    documents.sort();
    let mut list = "&[\n".to_owned();
    for path in documents {
        let name = path.file_stem().and_then(|name| name.to_str()).ok_or("a file's name is not in UTF-8")?;
        writeln!(list, "    ({name:?}, include_str!({})),", below("CARGO_MANIFEST_DIR", &path)?)?;
    }
    Ok(list + "]")
}

/// The path of a file below a folder that cargo names in a variable, as the argument of `include_str!`. Several checkouts
/// may share the folder `target`. So the file that is written there must not name the checkout that wrote it: another
/// one would include that one's documents, or wouldn't compile once that one is gone.
fn below(variable: &str, path: &Path) -> Result<String> {
    Ok(format!("concat!(env!({variable:?}), {:?})", format!("/{}", with_slashes(path)?)))
}

fn with_slashes(path: &Path) -> Result<String> {
    Ok(path.to_str().ok_or("a file's name is not in UTF-8")?.replace('\\', "/"))
}

fn media_type(name: &str) -> Result<&'static str> {
    Ok(match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        _ => return Err(format!("what is {name}?").into()),
    })
}

/// Writes a file only when its text has changed, so that nothing is compiled again without need.
fn write_changed(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    Ok(fs::write(path, text)?)
}
