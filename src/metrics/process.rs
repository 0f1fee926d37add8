//! Reads the memory, files and times of the process from `/proc`, which only Linux has.

use super::catalogue::{
    PROCESS_CPU, PROCESS_MAX_FILES, PROCESS_MEMORY, PROCESS_OPEN_FILES, PROCESS_START, PROCESS_THREADS,
    PROCESS_VIRTUAL_MEMORY,
};
use super::text::Sample;

/// The unit of times in `/proc`, which is the same on all of Linux's platforms.
const TICKS_PER_SECOND: f64 = 100.0;

/// The samples of the process. Numbers that can't be read are left out.
#[must_use]
pub fn samples() -> Vec<Sample> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let (status, stat) = (read("/proc/self/status"), read("/proc/self/stat"));
    let kib = |name: &str| number_after(&status, name).map(|kib| kib * 1024.0);
    // The second field is the program's name in parentheses, which may contain spaces. The next one is the third.
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect())
        .unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).copied();
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    let start = field(22).zip(number_after(&read("/proc/stat"), "btime"));
    let start = start.map(|(ticks, boot)| boot + ticks / TICKS_PER_SECOND);
    let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
    let found = [
        (&PROCESS_CPU, cpu),
        (&PROCESS_MEMORY, kib("VmRSS:")),
        (&PROCESS_VIRTUAL_MEMORY, kib("VmSize:")),
        (&PROCESS_THREADS, number_after(&status, "Threads:")),
        (&PROCESS_OPEN_FILES, open_files),
        (&PROCESS_MAX_FILES, number_after(&read("/proc/self/limits"), "Max open files")),
        (&PROCESS_START, start),
    ];
    found.into_iter().filter_map(|(family, value)| Some(Sample::of(family, value?))).collect()
}

/// The number behind a name at the beginning of a line.
fn number_after(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
