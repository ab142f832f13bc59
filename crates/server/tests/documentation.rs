//! Pages that must keep up with the sources.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeSet, fs, path::PathBuf};

fn read(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The names in a section of a manifest.
fn names(manifest: &str, section: &str) -> BTreeSet<String> {
    let manifest: toml::Table = read(manifest).parse().unwrap();
    let table = manifest.get(section).and_then(toml::Value::as_table);
    table
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

/// The names in the first column of the tables of a page.
fn listed(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|names| names.split(", "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let page = read("docs/dependencies.md");
    let (product, rest) = page.split_once("## For tests only").unwrap();
    let (tests, _) = rest.split_once("## Looked at").unwrap();
    let (product, tests) = (listed(product), listed(tests));
    let crates = ["wire", "chat", "dialects", "server"];
    let (mut used, mut used_in_tests) = (BTreeSet::new(), BTreeSet::new());
    for name in crates {
        let manifest = format!("crates/{name}/Cargo.toml");
        used.extend(names(&manifest, "dependencies"));
        used_in_tests.extend(names(&manifest, "dev-dependencies"));
    }
    for name in crates {
        used.remove(name);
        used_in_tests.remove(name);
    }
    for (what, used, listed) in [
        ("the product", &used, &product),
        (
            "tests",
            &used_in_tests.difference(&used).cloned().collect(),
            &tests,
        ),
    ] {
        let missing: Vec<_> = used.difference(listed).collect();
        assert!(
            missing.is_empty(),
            "docs/dependencies.md says no reason for {missing:?} in {what}"
        );
        let gone: Vec<_> = listed
            .difference(used)
            .filter(|name| !matches!(name.as_str(), "crate" | "---"))
            .collect();
        assert!(
            gone.is_empty(),
            "docs/dependencies.md lists {gone:?}, which {what} do not use"
        );
    }
}
