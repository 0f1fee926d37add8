//! Generates types for every document of `examples/operations`, once with graphql_client and once with cynic.
//!
//! The schema is that of the repository, or the file that `PACKWRIGHT_SCHEMA` names. A program of yours needs much less:
//! a derive macro for each operation that it sends.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use graphql_client_codegen::{CodegenMode, GraphQLClientCodegenOptions, generate_module_token_stream_from_string};

#[path = "build/concrete.rs"]
mod concrete;

use concrete::Written;

const OPERATIONS: &str = "../../operations";
/// The name under which cynic knows the schema.
const SCHEMA_NAME: &str = "packwright";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={OPERATIONS}");
    println!("cargo::rerun-if-env-changed=PACKWRIGHT_SCHEMA");
    let path = env::var_os("PACKWRIGHT_SCHEMA").map_or_else(|| "../../../schema.graphql".into(), PathBuf::from);
    println!("cargo::rerun-if-changed={}", path.display());
    let schema = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let plain = without_its_description(&schema);
    let copy = out.join("schema.graphql");
    fs::write(&copy, &plain)?;
    cynic_codegen::register_schema(SCHEMA_NAME).from_sdl(&schema)?.as_default()?;

    let mut documents: Vec<PathBuf> =
        fs::read_dir(OPERATIONS)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "graphql"));
    // Only the demo's own schema has the mutations that move its clock.
    let is_demo = schema.contains("demoAdvanceClock");
    documents.retain(|path| is_demo || !name_of(path).starts_with("mutation.demo"));
    documents.sort();

    let cynic = cynic_querygen::Generator::new(&schema)?.with_schema_name(SCHEMA_NAME);
    let (mut for_graphql_client, mut for_cynic, mut failed) = (String::new(), String::new(), Vec::new());
    for path in &documents {
        let document = concrete::written(&fs::read_to_string(path)?, &plain)?;
        match graphql_client_module(&document, &copy) {
            Ok(module) => writeln!(for_graphql_client, "{module}")?,
            Err(why) => failed.push(format!("graphql_client, {}: {why}", name_of(path))),
        }
        match cynic.generate(&document.sent) {
            Ok(types) => {
                let module = name_of(path).trim_end_matches(".graphql").replace('.', "_");
                writeln!(for_cynic, "pub mod {module} {{\nuse crate::schema;\n{}}}", with_unknown_values(&types))?;
            }
            Err(why) => failed.push(format!("cynic, {}: {why}", name_of(path))),
        }
    }
    fs::write(out.join("graphql_client.rs"), for_graphql_client)?;
    fs::write(out.join("cynic.rs"), for_cynic)?;
    fs::write(out.join("count.rs"), format!("{}", documents.len()))?;
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The schema without its own description, before `schema {`: graphql_client's parser knows none there.
fn without_its_description(schema: &str) -> String {
    const QUOTES: &str = "\"\"\"";
    let Some((before, after)) = schema.split_once("\nschema {") else { return schema.to_owned() };
    let description = before.strip_suffix(QUOTES).and_then(|before| before.rfind(QUOTES));
    format!("{}\nschema {{{after}", &before[..description.unwrap_or(before.len())])
}

fn graphql_client_module(document: &Written, schema: &Path) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut options = GraphQLClientCodegenOptions::new(CodegenMode::Cli);
    options.set_custom_scalars_module(syn::parse_str("crate::scalars")?);
    options.set_module_visibility(syn::parse_str("pub")?);
    options.set_response_derives("Debug,Clone".into());
    options.set_variables_derives("Debug,Clone".into());
    // An object of a type that this program doesn't know becomes `Unknown`.
    options.set_fragments_other_variant(true);
    // A variable that isn't given is left out, so that its default in the document counts.
    options.set_skip_serializing_none(true);
    let module = generate_module_token_stream_from_string(&document.typed, schema, options)?.to_string();
    let (typed, sent) = (format!("{:?}", document.typed), format!("{:?}", document.sent));
    if module.contains(&typed) { Ok(module.replace(&typed, &sent)) } else { Err("it has no document".into()) }
}

/// Gives each enum a variant for the values that a later server may answer.
fn with_unknown_values(types: &str) -> String {
    let mut parts = types.split("#[derive(cynic::Enum, Clone, Copy, Debug)]\n");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (head, rest) = part.split_once("{\n").unwrap_or((part, ""));
        text.push_str("#[derive(cynic::Enum, Clone, Debug)]\n");
        text.push_str(head);
        text.push_str("{\n    #[cynic(fallback)]\n    Unknown(String),\n");
        text.push_str(rest);
    }
    text
}
