//! Where Palaver's time goes under one load, as `perf` sees it, for goals that were missed.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// Samples a second; not a divisor of anything that happens regularly.
const FREQUENCY: &str = "997";
/// Lines of each part of the profile.
const LINES: usize = 10;

/// Begins to record a process for some seconds, from the core of the load client.
pub(crate) fn record(pid: &str, seconds: f64, core: usize, to: &Path) -> Option<Child> {
    Command::new("taskset")
        .args(["-c", &core.to_string()])
        .args([
            "perf", "record", "-q", "-g", "-F", FREQUENCY, "-p", pid, "-o",
        ])
        .arg(to)
        .args(["--", "sleep", &seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

/// Parts of the process's time: by thread, by program, in system calls with all that they do, and
/// in the dearest functions outside of the kernel.
pub(crate) fn report(from: &Path) -> Option<String> {
    let part = |by: &str, inclusive: bool, keep: &dyn Fn(&str) -> bool| {
        let children = if inclusive {
            "--children"
        } else {
            "--no-children"
        };
        let done = Command::new("perf")
            .args([
                "report", "--stdio", "-q", "-g", "none", children, "-s", by, "-i",
            ])
            .arg(from)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines = lines.filter(|line| keep(line)).take(LINES);
        let mut out = String::new();
        for line in lines {
            // Columns are padded to the widest of all lines; the last ones may be empty.
            let words = line.split_whitespace().filter(|word| *word != "-");
            out += &words.collect::<Vec<_>>().join(" ");
            out.push('\n');
        }
        (!out.is_empty()).then_some(out)
    };
    let parts = [
        ("thread", part("comm", false, &|_| true)?),
        ("program", part("dso", false, &|_| true)?),
        (
            "system calls, of all and of their own",
            part("sym", true, &is_call).unwrap_or_default(),
        ),
        (
            "functions outside of the kernel",
            part("sym", false, &|line| line.contains("[.]"))?,
        ),
    ];
    let parts = parts.map(|(title, lines)| format!("{title}\n{lines}"));
    Some(parts.join("\n"))
}

/// Whether a line is of a system call. Some stand under the name of the function that they are
/// handed on to at once.
fn is_call(line: &str) -> bool {
    const CALLS: [&str; 5] = [
        "__x64_sys_",
        "__arm64_sys_",
        "do_writev",
        "do_epoll_wait",
        "__sys_",
    ];
    line.contains("[k]") && CALLS.iter().any(|call| line.contains(call))
}
