//! What only the inside can show: the plans of the queries, and every way to the current layout.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    Options,
    open::{FILE, LATEST, Place},
    read::LOOKUPS,
};
use crate::stores::Folder;

/// For each version of the layout, from 1 on, rows as a server of that version has left them:
/// whoever adds a version adds its rows.
const ROWS: &[&str] = &[include_str!("migrations/V1__rows.sql")];

fn place(folder: &Path) -> Place {
    Place::new(&Folder::hold(folder).unwrap(), &Options::default())
}

fn schema(folder: &Path) -> Vec<(String, Option<String>)> {
    let database = Connection::open(folder.join(FILE)).unwrap();
    let mut all = database
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
        .unwrap();
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn every_earlier_version_becomes_the_current_one_with_its_rows() {
    let fresh = TempDir::new().unwrap();
    place(fresh.path()).prepare().unwrap();
    let wanted = schema(fresh.path());
    assert_eq!(
        i64::try_from(ROWS.len()).unwrap(),
        LATEST,
        "rows for each version"
    );
    for (version, rows) in (1..).zip(ROWS) {
        let old = TempDir::new().unwrap();
        let place = place(old.path());
        place.migrate(version).unwrap();
        let database = Connection::open(old.path().join(FILE)).unwrap();
        database.execute_batch(rows).unwrap();
        drop(database);
        place.prepare().unwrap();
        place.prepare().unwrap();
        assert_eq!(schema(old.path()), wanted, "from version {version}");

        let database = Connection::open(old.path().join(FILE)).unwrap();
        let number = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(number("PRAGMA user_version"), LATEST);
        assert_eq!(
            number("SELECT count(*) FROM message"),
            2,
            "from version {version}"
        );
        assert_eq!(
            number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
            0
        );
        assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    }
}

#[test]
fn every_lookup_has_an_index() {
    let folder = TempDir::new().unwrap();
    let place = place(folder.path());
    place.prepare().unwrap();
    let database = place.writer().unwrap();
    for query in LOOKUPS {
        let mut plan = database
            .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
            .unwrap();
        for parameter in 1..=plan.parameter_count() {
            plan.raw_bind_parameter(parameter, 1).unwrap();
        }
        let mut steps = plan.raw_query();
        let mut searches = 0;
        while let Some(step) = steps.next().unwrap() {
            let detail: String = step.get("detail").unwrap();
            let is_bad = detail.starts_with("SCAN") || detail.contains("TEMP B-TREE");
            assert!(!is_bad, "{query}\n{detail}");
            searches += usize::from(detail.starts_with("SEARCH"));
        }
        assert!(searches > 0, "{query}");
    }
}
