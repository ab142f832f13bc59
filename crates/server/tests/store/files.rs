//! The data folder: who may read it, who may hold it, and which files are refused.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use chat::{Store, Topic, store::Change};
use rusqlite::Connection;
use server::stores::{OpenError, Options, Sqlite};
use tempfile::TempDir;

use crate::world::{Scene, page, session};

fn open(folder: &Path) -> Result<Sqlite, OpenError> {
    Sqlite::open(folder, &Options::default())
}

/// A folder with a database that holds one conversation, closed.
fn used() -> (TempDir, PathBuf) {
    let place = TempDir::new().unwrap();
    let store = open(place.path()).unwrap();
    let mut scene = Scene::new(&store);
    for number in 0..300 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    let file = place.path().join("palaver.db");
    (place, file)
}

fn refused(folder: &Path) -> OpenError {
    match open(folder) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", folder.display()),
    }
}

#[test]
fn only_its_owner_may_read_the_folder_and_its_files() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("deep/data");
    let store = open(&folder).unwrap();
    drop(Scene::new(&store));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let all = [
        "palaver.db",
        "palaver.db-shm",
        "palaver.db-wal",
        "palaver.lock",
    ];
    assert_eq!(names, all);

    let copy = place.path().join("copy");
    store.backup(&copy).unwrap();
    assert_eq!(mode(&copy), 0o700);
    assert_eq!(mode(&copy.join("palaver.db")), 0o600);
    assert_eq!(
        fs::read_dir(&copy).unwrap().count(),
        1,
        "nothing else is left there"
    );
}

#[test]
fn closing_puts_everything_into_one_file() {
    let (place, _) = used();
    let mut names: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["palaver.db", "palaver.lock"]);
}

#[test]
fn what_was_deleted_is_not_in_the_file() {
    let place = TempDir::new().unwrap();
    let store = open(place.path()).unwrap();
    let mut scene = Scene::new(&store);
    // Small ones, and ones that need pages of their own.
    for (number, padding) in [(1, 0), (2, 20_000), (3, 0), (4, 20_000)] {
        let text = format!("secret {number}{}", "x".repeat(padding));
        store.commit(&scene.say(text)).unwrap();
    }
    let said = store.history(&scene.chat, u64::MAX, &page(0, 9)).unwrap();
    let gone = said.into_iter().skip(1).map(|view| Change::MessageDeleted {
        entry: scene.world.entry(&scene.chat, &scene.ann),
        message: Arc::new(view),
    });
    let gone: Vec<_> = gone.collect();
    store.commit(&scene.world.batch(gone)).unwrap();
    drop(store);
    let bytes = fs::read(place.path().join("palaver.db")).unwrap();
    let is_there = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(is_there("secret 1"));
    for text in ["secret 2", "secret 3", "secret 4"] {
        assert!(!is_there(text), "{text}");
    }
}

#[test]
fn a_held_folder_is_refused_and_names_its_holder() {
    let place = TempDir::new().unwrap();
    let first = open(place.path()).unwrap();
    let error = refused(place.path());
    let OpenError::Held { pid, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*pid, Some(std::process::id()));
    assert!(error.to_string().contains(&std::process::id().to_string()));
    drop(first);
    open(place.path()).unwrap();
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    for content in [&b"hello"[..], &[0; 5_000], b"SQLite format 2\0 and so on"] {
        let place = TempDir::new().unwrap();
        let file = place.path().join("palaver.db");
        fs::write(&file, content).unwrap();
        let error = refused(place.path());
        assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
        assert!(error.to_string().contains("not a database of palaver"));
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for mark in ["", "PRAGMA application_id = 7;"] {
        let place = TempDir::new().unwrap();
        let file = place.path().join("palaver.db");
        let other = Connection::open(&file).unwrap();
        let sql = format!("{mark} CREATE TABLE user (id INTEGER PRIMARY KEY)");
        other.execute_batch(&sql).unwrap();
        drop(other);
        let before = fs::read(&file).unwrap();
        let error = refused(place.path());
        assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

#[test]
fn a_database_of_a_later_version_is_refused() {
    let (place, file) = used();
    let later = Connection::open(&file).unwrap();
    later.pragma_update(None, "user_version", 9_999).unwrap();
    drop(later);
    let error = refused(place.path());
    assert!(
        matches!(error, OpenError::Newer { found: 9_999, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("later version"), "{error}");
}

#[test]
fn a_damaged_database_is_refused_with_what_to_do() {
    let (place, file) = used();
    let whole = fs::read(&file).unwrap();
    let mut garbled = whole.clone();
    garbled[4_096..].fill(0x5a);
    let mut schema = whole.clone();
    schema[100..4_096].fill(0x5a);
    let cut = whole[..whole.len() / 2].to_vec();
    for (name, content) in [("garbled", garbled), ("schema", schema), ("cut", cut)] {
        fs::write(&file, content).unwrap();
        let error = refused(place.path());
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains("restore a backup"), "{error}");
    }
    fs::write(&file, whole).unwrap();
    open(place.path()).unwrap();
}

#[test]
fn a_start_that_was_cut_short_is_taken_up_again() {
    // Nothing but the name of the file.
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("palaver.db"), b"").unwrap();
    drop(Scene::new(&open(place.path()).unwrap()));
    // It says that it is ours, and holds nothing yet.
    let place = TempDir::new().unwrap();
    let begun = Connection::open(place.path().join("palaver.db")).unwrap();
    begun
        .pragma_update(None, "application_id", 0x506c_7672)
        .unwrap();
    drop(begun);
    drop(Scene::new(&open(place.path()).unwrap()));
}

#[test]
fn what_is_no_folder_or_no_file_is_refused() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(matches!(refused(&file), OpenError::Unusable { .. }));
    let folder = place.path().join("data");
    fs::create_dir_all(folder.join("palaver.db")).unwrap();
    assert!(matches!(refused(&folder), OpenError::Unusable { .. }));
}

#[test]
fn sessions_and_subscriptions_are_rows() {
    let place = TempDir::new().unwrap();
    let store = open(place.path()).unwrap();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&store);
    let (one, two) = (session(1), session(-2));
    let topic = Topic::Conversation(chat.id);
    let first = world.g() + 1;
    for changes in [
        vec![
            world.subscription(&one, &ann, topic),
            world.subscription(&two, &bob, topic),
        ],
        vec![
            world.subscription(&one, &ann, topic),
            world.subscription(&one, &ann, Topic::Person(ann.id)),
        ],
    ] {
        store.commit(&world.batch(changes)).unwrap();
    }
    let database = Connection::open(place.path().join("palaver.db")).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let sessions = "SELECT concat_ws(' ', id, app, length(pid_hash), sid, namespace, subject) FROM session ORDER BY id";
    assert_eq!(
        rows(sessions),
        ["-2 1 32 sid--2 / ann", "1 1 32 sid-1 / ann"]
    );
    let subscriptions = "SELECT concat_ws(' ', session, topic, topic_id, dialect, user, since_g) FROM subscription ORDER BY 1";
    let (chat, ann, bob) = (chat.id.0, ann.id.0, bob.id.0);
    assert_eq!(
        rows(subscriptions),
        [
            format!("-2 conversation {chat} direct {bob} {}", first + 1),
            format!("1 conversation {chat} direct {ann} {first}"),
            format!("1 person {ann} direct {ann} {}", first + 3),
        ],
        "the first place stays"
    );
    let members = rows(
        "SELECT concat_ws(' ', user, conversation, role, since_g, read_seq) FROM member ORDER BY user",
    );
    assert_eq!(
        members,
        [
            format!("{ann} {chat} member 0 0"),
            format!("{bob} {chat} member 0 0")
        ]
    );

    store
        .commit(&world.batch([Change::SessionEnded(one.id)]))
        .unwrap();
    assert_eq!(rows("SELECT sid FROM session"), ["sid--2"]);
    assert_eq!(
        rows("SELECT concat_ws(' ', session) FROM subscription"),
        ["-2"]
    );
}

#[test]
fn a_member_is_told_again_what_came_after_they_came_in() {
    let place = TempDir::new().unwrap();
    let store = open(place.path()).unwrap();
    let mut scene = Scene::new(&store);
    for number in 0..10 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    let numbers: Vec<_> = (1..=10).collect();
    let of = |place, after| -> Vec<u64> {
        let events = store.log(place, after, u64::MAX, 100).unwrap();
        events.iter().map(|event| event.g).collect()
    };
    let (ann, bob) = (Topic::Person(scene.ann.id), Topic::Person(scene.bob.id));
    assert_eq!(of(bob, 0), numbers);
    // There is no way in later for now, and nothing else that lasts; the layout has room for both.
    let database = Connection::open(place.path().join("palaver.db")).unwrap();
    let came_in = "UPDATE member SET since_g = 6 WHERE user = ?1";
    database.execute(came_in, [scene.bob.id.0]).unwrap();
    let changed = "UPDATE conversation SET last_seq = last_seq + 3, last_g = last_g + 3";
    database.execute(changed, []).unwrap();
    assert_eq!(of(bob, 0), numbers[6..]);
    assert_eq!(of(bob, 3), numbers[6..]);
    assert_eq!(of(bob, 8), numbers[8..]);
    assert!(of(bob, 11).is_empty());
    assert_eq!(of(ann, 0), numbers);
    assert_eq!(of(Topic::Conversation(scene.chat.id), 4), numbers[4..]);
    // Who came in after all of it has nothing to be told.
    let came_in = "UPDATE member SET since_g = 12 WHERE user = ?1";
    database.execute(came_in, [scene.bob.id.0]).unwrap();
    for last_seq in [13, 10] {
        let at = "UPDATE conversation SET last_seq = ?1";
        database.execute(at, [last_seq]).unwrap();
        assert!(of(bob, 3).is_empty());
    }
}
