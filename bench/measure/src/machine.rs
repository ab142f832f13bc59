//! What it was measured on, and with which versions: figures are worth nothing without.

use std::{fs, path::Path, process::Command};

use crate::servers::{Places, bun};

/// The first line of what a command prints.
pub(crate) fn ask(program: impl AsRef<Path>, arguments: &[&str], folder: &Path) -> Option<String> {
    let done = Command::new(program.as_ref())
        .args(arguments)
        .current_dir(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    done.status.success().then_some(line)
}

/// `key: value` of a file in /proc.
fn field(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Processor, memory, kernel, disk.
pub(crate) fn machine(places: &Places) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
        .map_or_else(unknown, |kilobytes| format!("{} GiB", kilobytes >> 20));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_else(|_| unknown());
    let kind = |folder: &Path| {
        let text = ["-f", "-c", "%T", "."];
        ask("stat", &text, folder).unwrap_or_else(unknown)
    };
    let virtual_machine = field("/proc/cpuinfo", "flags")
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    let kind_of_machine = if virtual_machine {
        ", a virtual machine"
    } else {
        ""
    };
    vec![
        format!("{processor}, {cores} cores, {memory} of memory{kind_of_machine}"),
        format!(
            "Linux {}, Palaver's database on {}",
            kernel.trim(),
            kind(&places.bench)
        ),
    ]
}

/// Who takes part, in which version.
pub(crate) fn versions(places: &Places) -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let node = places.bench.join("node");
    let package = |name: &str| {
        let file = node.join("node_modules").join(name).join("package.json");
        let text = fs::read_to_string(file).ok()?;
        let package: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(package.get("version")?.as_str()?.to_owned())
    };
    let locked = |name: &str| {
        let lock = fs::read_to_string(places.bench.join("Cargo.lock")).ok()?;
        let entry = lock.split("[[package]]").find(|entry| {
            entry
                .lines()
                .any(|line| line == format!("name = \"{name}\""))
        })?;
        let line = entry
            .lines()
            .find_map(|line| line.strip_prefix("version = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let commit = commit(places).unwrap_or_else(unknown);
    let here = &places.bench;
    let mut versions = vec![
        format!(
            "Palaver at {commit}, {}",
            ask("rustc", &["--version"], here).unwrap_or_else(unknown)
        ),
        format!(
            "socketioxide {}",
            locked("socketioxide").unwrap_or_else(unknown)
        ),
        format!(
            "socket.io {} on Node {}",
            package("socket.io").unwrap_or_else(unknown),
            ask("node", &["--version"], here).unwrap_or_else(unknown)
        ),
    ];
    if let Ok(binary) = bun(&node) {
        versions.push(format!(
            "socket.io {} over @socket.io/bun-engine {} on Bun {}",
            package("socket.io").unwrap_or_else(unknown),
            package("@socket.io/bun-engine").unwrap_or_else(unknown),
            ask(binary, &["--version"], here).unwrap_or_else(unknown)
        ));
    }
    versions
}

/// The commit that is checked out, and whether something was changed since.
pub(crate) fn commit(places: &Places) -> Option<String> {
    let commit = ask("git", &["rev-parse", "--short=12", "HEAD"], &places.bench)?;
    // What is measured, not the page that the run itself writes.
    let changes = [
        "status",
        "--porcelain",
        "--",
        "../crates",
        "../Cargo.lock",
        ".",
    ];
    Some(match ask("git", &changes, &places.bench) {
        Some(_) => format!("{commit} with changes"),
        None => commit,
    })
}

/// Files that this process and those that it starts may have open.
pub(crate) fn open_files() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(1024)
}
