//! Makes the types of the operations, and checks each operation against `schema.graphql`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use graphql_client_codegen::{CodegenMode, GraphQLClientCodegenOptions, generate_module_token_stream};

const SCHEMA: &str = "../schema.graphql";
const OPERATIONS: &str = "operations";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SCHEMA}");
    println!("cargo::rerun-if-changed={OPERATIONS}");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let schema = out.join("schema.graphql");
    fs::write(&schema, without_description(&fs::read_to_string(SCHEMA)?))?;
    let mut files: Vec<PathBuf> =
        fs::read_dir(OPERATIONS)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut modules = String::new();
    for file in files {
        let made = generate_module_token_stream(file.clone(), &schema, options()?);
        modules += &made.map_err(|error| format!("{}: {error}", file.display()))?.to_string();
        modules.push('\n');
    }
    write_if_changed(&out.join("operations.rs"), &modules)?;
    Ok(())
}

fn options() -> Result<GraphQLClientCodegenOptions, Box<dyn Error>> {
    let mut options = GraphQLClientCodegenOptions::new(CodegenMode::Cli);
    options.set_module_visibility(syn::parse_str("pub(crate)")?);
    options.set_custom_scalars_module(syn::parse_str("crate::operations::scalars")?);
    options.set_response_derives("Clone, Debug, Serialize".into());
    options.set_variables_derives("Clone, Debug".into());
    options.set_skip_serializing_none(true);
    // A newer server may return types that this program doesn't know.
    options.set_fragments_other_variant(true);
    Ok(options)
}

/// The schema without the description of its block `schema`, which the code generator's parser refuses.
fn without_description(schema: &str) -> String {
    let Some(at) = schema.find("\nschema {") else { return schema.to_owned() };
    let before = &schema[..at];
    let end_of_definitions = before.strip_suffix("\"\"\"").and_then(|text| text.rfind("\"\"\""));
    format!("{}{}", &before[..end_of_definitions.unwrap_or(at)], &schema[at..])
}

/// Writes a file unless it already has this text. An unchanged file keeps its time, so that nothing is compiled again.
fn write_if_changed(path: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    fs::write(path, text)
}
