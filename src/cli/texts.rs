//! Texts that are made from the command line's definition, and the licenses of the built-in crates and packages.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, CliError, print};

/// The shells for which there are completions.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub(super) enum ShellName {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script that completes commands and options in a shell.
pub(super) fn completions(shell: ShellName) {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "packwright", &mut script);
    print(&String::from_utf8_lossy(&script));
}

/// Prints one page with all commands: their options are below the name of each.
pub(super) fn man() -> Result<(), CliError> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone());
    man.render(&mut page)?;
    commands(&command, &mut page)?;
    print(&in_ascii(&String::from_utf8_lossy(&page)));
    Ok(())
}

/// Readers of such pages disagree about the encoding, but not about escapes.
fn in_ascii(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for c in page.chars() {
        if c.is_ascii() { text.push(c) } else { text += &format!("\\[u{:04X}]", u32::from(c)) }
    }
    text
}

/// Adds the options of each subcommand that does something itself.
fn commands(command: &clap::Command, page: &mut Vec<u8>) -> Result<(), CliError> {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        if below.has_subcommands() {
            commands(below, page)?;
            continue;
        }
        let name = below.get_bin_name().unwrap_or_else(|| below.get_name()).to_uppercase();
        page.extend(format!(".SH \"{name}\"\n").bytes());
        let about = below.get_long_about().or_else(|| below.get_about()).map(ToString::to_string).unwrap_or_default();
        page.extend(format!("{}\n", about.replace('\\', "\\\\").replace('-', "\\-")).bytes());
        let man = clap_mangen::Man::new(below.clone());
        let mut options = Vec::new();
        man.render_synopsis_section(&mut options)?;
        man.render_options_section(&mut options)?;
        // Below the heading of the command these are smaller headings.
        page.extend(String::from_utf8_lossy(&options).replace(".SH ", ".SS ").bytes());
    }
    Ok(())
}

/// Prints the licenses of the crates and packages that are built in.
pub(super) fn licenses() {
    print(concat!("Packwright is under the Apache License 2.0:\n\n", include_str!("../../LICENSE"), "\n"));
    print(include_str!("../../docs/third-party-licenses.txt"));
}
