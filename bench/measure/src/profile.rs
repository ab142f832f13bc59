//! Where Palaver's time goes under one load, as `perf` sees it, for goals that were missed.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// Samples a second; not a divisor of anything that happens regularly.
const FREQUENCY: &str = "997";
/// Lines of the profile.
const LINES: usize = 14;

/// Begins to record a process for some seconds, from the core of the load client.
pub(crate) fn record(pid: &str, seconds: f64, core: usize, to: &Path) -> Option<Child> {
    Command::new("taskset")
        .args([
            "-c",
            &core.to_string(),
            "perf",
            "record",
            "-q",
            "-F",
            FREQUENCY,
        ])
        .args(["-p", pid, "-o"])
        .arg(to)
        .args(["--", "sleep", &seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

/// The dearest functions: part of the time, where (`[k]` in the kernel), which.
pub(crate) fn report(from: &Path) -> Option<String> {
    let shares = perf_report(from, "dso", 4)?;
    let functions = perf_report(from, "dso,symbol", LINES)?;
    Some(format!("{shares}\n{functions}"))
}

fn perf_report(from: &Path, by: &str, lines: usize) -> Option<String> {
    let done = Command::new("perf")
        .args([
            "report",
            "--stdio",
            "--no-children",
            "-q",
            "--sort",
            by,
            "-i",
        ])
        .arg(from)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let mut out = String::new();
    let found = text.lines().map(str::trim).filter(|line| !line.is_empty());
    for line in found.take(lines) {
        // Columns are padded to the widest of all lines.
        let words: Vec<_> = line.split_whitespace().collect();
        out += &words.join(" ");
        out.push('\n');
    }
    (!out.is_empty()).then_some(out)
}
