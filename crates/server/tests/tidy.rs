//! The conventions of this repository that a test can hold: fences between crates, links that lead
//! somewhere, files of a readable length, nothing private. That transcripts cover every refusal is
//! held in `transcripts.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

/// Longest source file, in lines. Past 500 one asks what second thing it holds.
const MAX_LINES: usize = 600;
/// Suites of tests are lists of cases and may be longer.
const MAX_TEST_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// All files that belong to the repository, committed or not, relative to its root.
fn repository() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git lists the repository's files");
    assert!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> = names
        .split_terminator('\0')
        .map(PathBuf::from)
        .filter(|file| root().join(file).is_file())
        .collect();
    assert!(files.len() > 20, "git lists only {} files", files.len());
    files
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}

fn text_of(file: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(file)).unwrap()).ok()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

/// What each crate must not depend on, be it ever so convenient; tests may.
const FENCES: &[(&str, &[&str])] = &[
    (
        "wire",
        &[
            "chat", "dialects", "server", "tokio", "hyper", "http", "axum", "rusqlite", "time",
            "tracing",
        ],
    ),
    (
        "chat",
        &[
            "wire", "dialects", "server", "hyper", "http", "axum", "rusqlite", "time", "tracing",
            "base64",
        ],
    ),
    (
        "dialects",
        &[
            "server",
            "tokio",
            "hyper",
            "http",
            "axum",
            "rusqlite",
            "tracing",
            "futures-util",
            "parking_lot",
        ],
    ),
];

#[test]
fn crates_keep_to_their_side_of_the_fence() {
    let mut found = Vec::new();
    for (name, forbidden) in FENCES {
        let manifest = root().join("crates").join(name).join("Cargo.toml");
        let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for dependency in dependencies
            .keys()
            .filter(|key| forbidden.contains(&key.as_str()))
        {
            found.push(format!("crates/{name} depends on {dependency}"));
        }
    }
    assert_none("these fences are broken", &found);
}

/// What does IO, waits or reads a clock.
const NOT_IN_PURE_CRATES: &[&str] = &[
    "async",
    ".await",
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant::now",
];
const NOT_IN_CHAT: &[&str] = &[
    "std::fs",
    "std::net",
    "tokio::time",
    "tokio::net",
    "tokio::spawn",
    "SystemTime",
    "Instant::now",
];

/// Whether `word` stands in `code`, not as the beginning of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let after = code[at + word.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn inner_crates_do_no_io_and_read_no_clock() {
    let mut found = Vec::new();
    for file in repository() {
        if !has_extension(&file, "rs") {
            continue;
        }
        let pure = ["crates/dialects/src", "crates/wire/src"];
        let forbidden = if pure.iter().any(|folder| file.starts_with(folder)) {
            NOT_IN_PURE_CRATES
        } else if file.starts_with("crates/chat/src") {
            NOT_IN_CHAT
        } else {
            continue;
        };
        for (number, line) in (1..).zip(text_of(&file).unwrap().lines()) {
            let code = line.split("//").next().unwrap_or_default();
            found.extend(
                forbidden
                    .iter()
                    .filter(|word| has_word(code, word))
                    .map(|word| format!("{}:{number} uses {word}", file.display())),
            );
        }
    }
    assert_none("these crates do no IO and read no clock", &found);
}

#[test]
fn files_are_of_a_readable_length() {
    let mut found = Vec::new();
    for file in repository() {
        if !has_extension(&file, "rs") {
            continue;
        }
        let is_test = file.iter().any(|part| part == "tests") || file.ends_with("tests.rs");
        let limit = if is_test { MAX_TEST_LINES } else { MAX_LINES };
        let lines = text_of(&file).unwrap().lines().count();
        if lines > limit {
            found.push(format!("{} has {lines} lines, of {limit}", file.display()));
        }
    }
    assert_none("these files are too long", &found);
}

#[test]
fn source_files_say_what_they_are_for() {
    let found: Vec<String> = repository()
        .into_iter()
        .filter(|file| file.starts_with("crates") && has_extension(file, "rs"))
        .filter(|file| {
            let text = text_of(file).unwrap();
            !text.lines().take(3).any(|line| line.starts_with("//!"))
        })
        .map(|file| file.display().to_string())
        .collect();
    assert_none("these files do not begin with what they are for", &found);
}

/// A path on somebody's machine means nothing on another. Written in pieces, so that this file
/// does not have them.
#[test]
fn no_file_mentions_a_place_on_one_machine() {
    let places = [
        ["/ho", "me/"].concat(),
        ["/Us", "ers/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/wo", "rk/"].concat(),
        ["/tmp/", "w/"].concat(),
        ["../sha", "red"].concat(),
        ["C:", "\\"].concat(),
    ];
    let mut found = Vec::new();
    for file in repository() {
        let Some(text) = text_of(&file) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            // A URL's path is no place on a machine, and neither is a longer name's end.
            let stands_alone = |place: &String| {
                line.match_indices(place.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before
                        .is_some_and(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'))
                })
            };
            if let Some(place) = places.iter().find(|place| stands_alone(place)) {
                found.push(format!("{}:{number} mentions {place}", file.display()));
            }
        }
    }
    assert_none("these lines are true on one machine only", &found);
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut found = Vec::new();
    let mut seen = 0;
    for file in repository() {
        if !has_extension(&file, "md") {
            continue;
        }
        let text = text_of(&file).unwrap();
        for target in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = match path {
                "" => root().join(&file),
                path => root().join(&file).parent().unwrap().join(path),
            };
            let leads = if anchor.is_empty() {
                linked.exists()
            } else {
                std::fs::read_to_string(&linked).is_ok_and(|text| headings(&text).contains(anchor))
            };
            if !leads {
                found.push(format!("{}: {target}", file.display()));
            }
        }
    }
    assert!(seen > 0, "no links were found");
    assert_none("these links lead nowhere", &found);
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            targets.push(target);
            rest = after;
        }
    }
    targets
}

/// Headings as their anchors.
fn headings(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[test]
fn links_and_headings_are_found() {
    let text = "# The `first` one\n[a](x.md) and [b](y.md#z)\n```\n[c](no)\n```\n";
    assert_eq!(links(text), ["x.md", "y.md#z"]);
    assert!(headings(text).contains("the-first-one"));
}
