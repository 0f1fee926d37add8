//! The program: see `packwright --help`.

/// A request makes some thousand small allocations. This allocator needs a third of the system allocator's time for
/// them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    packwright::cli::main()
}
