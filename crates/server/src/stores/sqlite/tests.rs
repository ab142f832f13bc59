//! What only the inside can show: the plans of the queries, and every way to the current layout.

#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc, time::Duration};

use chat::{
    AppId, ConversationId, ExternalId, SessionId, Store, Timestamp, Topic, User, UserId,
    model::Profile,
    store::{Batch, Change, CommitError, Found, ListPage, Need, Page, UserName},
};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Options, Sqlite, apps, conversations, erase, log, media, messages,
    open::{FILE, LATEST, Place, failure},
    reviews, rooms, sessions, users,
};
use crate::stores::{Folder, OpenError};

/// For each version of the layout, from 1 on, rows as a server of that version has left them:
/// whoever adds a version adds its rows.
const ROWS: &[&str] = &[
    include_str!("migrations/V1__rows.sql"),
    include_str!("migrations/V2__rows.sql"),
    include_str!("migrations/V3__rows.sql"),
    include_str!("migrations/V4__rows.sql"),
    include_str!("migrations/V5__rows.sql"),
    include_str!("migrations/V6__rows.sql"),
    include_str!("migrations/V7__rows.sql"),
];

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
        drop(database);

        // Who was there before the upgrade comes back after it, and finds what was said.
        let store = Sqlite::open(old.path(), &Options::default()).unwrap();
        let session = store.sessions(&[[0; 32]]).unwrap().remove(0);
        assert_eq!(
            (session.seed.id, session.seed.sid.as_str()),
            (SessionId(-5), "sid")
        );
        let place = Topic::Conversation(ConversationId(1));
        assert_eq!(session.subscriptions.first().unwrap().topic, place);
        assert_eq!(
            (session.dialect(), session.identities()),
            (Some("direct"), vec![UserId(1)])
        );
        let proof = session.subscriptions.first().unwrap().proof;
        assert_eq!(proof.key.is_some(), version > 2);
        let page = ListPage {
            kind: None,
            offset: 0,
            limit: 9,
            messages: Page {
                offset: 0,
                limit: 1,
                bytes: 0,
            },
        };
        let (chats, total) = store.conversations(UserId(2), &page).unwrap();
        let chat = &chats.first().unwrap();
        assert_eq!((total, chat.conversation.messages), (1, 2));
        let members = chat.conversation.members.iter();
        assert!(members.map(|member| member.user.id.0).eq([1, 2]));
        let newest = &chat.messages.last().unwrap().message;
        assert_eq!(newest.g, 3);
        let quoted = chat.messages.last().unwrap().quoted.as_ref();
        assert_eq!(
            (newest.badges.len(), quoted.map(|quote| quote.text.as_str())),
            if version > 5 {
                (1, Some("hello"))
            } else {
                (0, None)
            }
        );
        let files = newest.body.media.iter().map(|file| file.name.as_str());
        let due: &[&str] = if version > 2 { &["c.png"] } else { &[] };
        assert_eq!(files.collect::<Vec<_>>(), due, "from version {version}");
        let bob = store.user(AppId(1), &UserName::Id(UserId(2))).unwrap();
        assert_eq!(bob.unwrap().last_active, Timestamp(1), "as old as the user");
        check_numbers_and_names(&store, version);
        let year_2023 = Timestamp(1_700_000_000_000);
        assert!(session.seen_at >= year_2023, "not as old as when it began");
        for place in [place, Topic::Person(UserId(2))] {
            let events = store.log(place, 0, 9, 9).unwrap();
            assert_eq!(
                events.iter().map(|event| event.g).collect::<Vec<_>>(),
                [2, 3]
            );
        }
    }
}

/// Users have a number, and are found by what they are called.
fn check_numbers_and_names(store: &Sqlite, version: i64) {
    let called = |name: &str| {
        let need = Need::UsersCalled(AppId(1), name.to_owned());
        match store.load(&need).unwrap() {
            Found::People(users) => users.iter().map(|user| user.number).collect::<Vec<_>>(),
            other => panic!("asked for users, got {other:?}"),
        }
    };
    assert_eq!(called("bob"), [2], "from version {version}");
    assert_eq!(called(if version > 2 { "ann" } else { "7" }), [1]);
    let due: &[i64] = if version > 3 { &[3] } else { &[] };
    assert_eq!(called("çid"), due, "more than ASCII is folded");
    match store.load(&Need::Numbers(AppId(1))).unwrap() {
        Found::Numbers(given) => assert_eq!(given.user, if version > 2 { 3 } else { 2 }),
        other => panic!("asked for numbers, got {other:?}"),
    }
}

#[test]
fn an_upgrade_that_cannot_be_made_now_leaves_the_file_as_it_was() {
    let folder = TempDir::new().unwrap();
    let options = Options {
        busy_timeout: Duration::from_millis(1),
        ..Options::default()
    };
    let place = Place::new(&Folder::hold(folder.path()).unwrap(), &options);
    place.migrate(LATEST - 1).unwrap();
    let other = Connection::open(folder.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = place.prepare().unwrap_err();
    assert!(matches!(refused, OpenError::Unusable { .. }), "{refused}");
    other.execute_batch("ROLLBACK").unwrap();
    place.prepare().unwrap();
}

#[test]
fn every_lookup_has_an_index() {
    let folder = TempDir::new().unwrap();
    let place = place(folder.path());
    place.prepare().unwrap();
    let database = place.writer().unwrap();
    let lookups = [
        apps::LOOKUPS,
        conversations::LOOKUPS,
        erase::LOOKUPS,
        log::LOOKUPS,
        media::LOOKUPS,
        messages::LOOKUPS,
        reviews::LOOKUPS,
        rooms::LOOKUPS,
        sessions::LOOKUPS,
        users::LOOKUPS,
    ];
    for query in lookups.concat() {
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
            // A list that came as a parameter has to be gone through.
            let is_bad = detail.starts_with("SCAN") && !detail.contains("VIRTUAL TABLE")
                || detail.contains("TEMP B-TREE");
            assert!(!is_bad, "{query}\n{detail}");
            searches += usize::from(detail.starts_with("SEARCH"));
        }
        assert!(searches > 0, "{query}");
    }
}

#[test]
fn what_was_missed_is_looked_up_among_what_was_missed() {
    let folder = TempDir::new().unwrap();
    let place = place(folder.path());
    place.prepare().unwrap();
    let database = place.writer().unwrap();
    let plan = format!("EXPLAIN QUERY PLAN {}", messages::MISSED);
    let mut plan = database.prepare(&plan).unwrap();
    let steps = plan.query_map([1; 5], |step| step.get("detail"));
    let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(
        steps.concat().contains("USING INDEX message_missed"),
        "{steps:?}"
    );
}

/// A batch that makes one user with an id of so many bytes.
fn batch(id: i64, bytes: usize) -> Batch {
    let user = User {
        id: UserId(id),
        app: AppId(1),
        uuid: Uuid::from_u128(id.unsigned_abs().into()),
        external: ExternalId::text(format!("{id} {}", "x".repeat(bytes))),
        number: id,
        profile: Profile::default(),
        created_at: Timestamp(0),
        updated_at: None,
        last_active: Timestamp(0),
    };
    Batch {
        changes: vec![Change::User(Arc::new(user))],
        // Not every batch has a number of its own.
        last_g: 0,
    }
}

#[test]
fn whether_a_doubtful_batch_is_stored_is_looked_up() {
    let folder = TempDir::new().unwrap();
    let store = Sqlite::open(folder.path(), &Options::default()).unwrap();
    store.commit(&batch(1, 1)).unwrap();
    let mut writer = store.writer.lock();
    let doubt = failure(rusqlite::ffi::SQLITE_IOERR_FSYNC, "the sync failed");
    // As if that commit had said so, though its batch is in the WAL; and as if the next one had,
    // and its batch were not.
    writer.find_out(1, &doubt).unwrap();
    let missing = writer.find_out(2, &doubt).unwrap_err();
    assert!(matches!(missing, CommitError::RolledBack(_)), "{missing:?}");
    drop(writer);
    let wal = folder.path().join(format!("{FILE}-wal"));
    let left = std::fs::metadata(wal).unwrap().len();
    assert_eq!(left, 0, "what was found out cannot change");
    store.commit(&batch(2, 1)).unwrap();
}

#[test]
fn the_wal_begins_anew_while_commits_go_on() {
    const MOST: i64 = 3_000;
    let folder = TempDir::new().unwrap();
    let store = Sqlite::open(folder.path(), &Options::default()).unwrap();
    let mut pages = 0;
    for id in 1..=MOST {
        store.commit(&batch(id, 100_000)).unwrap();
        let now = store.gauge.pages();
        if now < pages {
            return;
        }
        pages = now;
    }
    panic!("{MOST} commits filled the WAL with {pages} pages");
}

#[test]
fn a_wal_past_its_limit_is_moved_while_commits_wait() {
    let folder = TempDir::new().unwrap();
    let store = Sqlite::open(folder.path(), &Options::default()).unwrap();
    let mut all = Batch::default();
    for id in 1..=35 {
        all.changes.extend(batch(id, 2 << 20).changes);
    }
    store.commit(&all).unwrap();
    let full = store.gauge.pages();
    assert!(full > 16_384, "{full} pages are past the limit");
    for id in 36..3_000 {
        store.commit(&batch(id, 1)).unwrap();
        if store.gauge.pages() < full {
            return;
        }
    }
    panic!("the WAL was never moved");
}
