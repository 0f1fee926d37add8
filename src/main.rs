//! The program: see `packwright --help`.

fn main() -> std::process::ExitCode {
    packwright::cli::main()
}
