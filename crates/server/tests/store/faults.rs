//! Full disks, locked databases, commits that fail in the middle: refused with words, nothing
//! acknowledged is lost, and the store goes on without a restart once the cause is gone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chat::{
    Store,
    room::{RoomNews, RoomNote},
    store::{Batch, Change, CommitError},
};
use rlimit::{Resource, setrlimit};
use rusqlite::Connection;
use server::stores::{OpenError, Options, Sqlite};
use tempfile::TempDir;

use crate::{
    child::{self, Part},
    world::{Scene, metadata, user},
};

fn rolled_back(store: &Sqlite, batch: &Batch) -> String {
    match store.commit(batch) {
        Err(CommitError::RolledBack(fault)) => fault.to_string(),
        other => panic!("expected a batch that is rolled back, got {other:?}"),
    }
}

#[test]
fn below_the_floor_messages_are_refused_and_all_else_works() {
    let place = TempDir::new().unwrap();
    let floor = |free_space_floor| Options {
        free_space_floor,
        ..Options::default()
    };
    let store = Sqlite::open(place.path(), &floor(u64::MAX)).unwrap();
    let mut scene = Scene::new(&store);
    let words = rolled_back(&store, &scene.say("too much"));
    assert!(
        words.contains("disk space") && words.contains("floor"),
        "{words}"
    );
    scene.unsay();
    let told = |news| Change::RoomNoted {
        entry: Scene::of(&store).world.entry(&scene.chat, &scene.ann),
        note: RoomNote::News(news),
    };
    let (event, data) = ("Event".to_owned(), metadata("x").0);
    let announced = told(RoomNews::Other { event, data });
    rolled_back(&store, &scene.world.batch([announced]));
    store
        .commit(&scene.world.batch([told(RoomNews::Unpinned)]))
        .unwrap();
    let newcomer = scene.world.user(&scene.app, "newcomer");
    store
        .commit(&scene.world.batch([Change::User(newcomer)]))
        .unwrap();
    assert!(user(&store, scene.app.id, "newcomer").is_some());
    assert!(scene.texts(&store).is_empty());
    drop(store);

    let store = Sqlite::open(place.path(), &floor(0)).unwrap();
    store.commit(&scene.say("fits")).unwrap();
    assert_eq!(scene.texts(&store), ["fits"]);
}

/// Says messages until one is refused; tells how many were acknowledged, and the refusal.
fn fill(store: &Sqlite, scene: &mut Scene) -> (usize, String) {
    const ENOUGH: usize = 2_000;
    let text = "x".repeat(8_000);
    for said in 0..ENOUGH {
        let batch = scene.say(text.as_str());
        match store.commit(&batch) {
            Ok(()) => {}
            Err(CommitError::RolledBack(fault)) => {
                scene.unsay();
                return (said, fault.to_string());
            }
            Err(CommitError::Unknown(fault)) => panic!("nobody knows: {fault}"),
        }
    }
    panic!("{ENOUGH} messages did not fill it");
}

#[test]
fn a_database_at_its_limit_refuses_and_goes_on_when_the_limit_is_raised() {
    let place = TempDir::new().unwrap();
    let limit = |bytes| Options {
        size_limit: Some(bytes),
        ..Options::default()
    };
    let store = Sqlite::open(place.path(), &limit(1 << 20)).unwrap();
    let mut scene = Scene::new(&store);
    let (said, words) = fill(&store, &mut scene);
    assert!(said > 50 && words.contains("full"), "{said} then {words}");
    assert_eq!(scene.texts(&store).len(), said);
    store.check().unwrap();
    rolled_back(&store, &scene.say("x".repeat(8_000)));
    scene.unsay();
    drop(store);

    let store = Sqlite::open(place.path(), &limit(2 << 20)).unwrap();
    store.commit(&scene.say("fits again")).unwrap();
    assert_eq!(scene.texts(&store).len(), said + 1);
}

/// A disk of its own, in memory. Needs root; `None`, said aloud, where mounting is not allowed.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, bytes: u32) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes}"),
                "palaver-test",
            ])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).into_owned();
                child::say_aloud(&format!("SKIPPED: cannot mount a small disk: {why}"));
                None
            }
            Err(error) => {
                child::say_aloud(&format!("SKIPPED: cannot mount a small disk: {error}"));
                None
            }
        }
    }

    fn make_read_only(&self) {
        let done = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let place = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(&place.path().join("disk"), 4 << 20) else {
        return;
    };
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    // Without a floor, so that it is SQLite that meets the end of the disk.
    let options = Options {
        free_space_floor: 0,
        ..Options::default()
    };
    let store = Sqlite::open(&disk.0.join("data"), &options).unwrap();
    let mut scene = Scene::new(&store);
    let (said, words) = fill(&store, &mut scene);
    assert!(said > 20 && words.contains("full"), "{said} then {words}");
    assert_eq!(scene.texts(&store).len(), said, "reading goes on");
    for _ in 0..3 {
        rolled_back(&store, &scene.say("x".repeat(30_000)));
        scene.unsay();
    }
    fs::remove_file(&ballast).unwrap();
    store.commit(&scene.say("room again")).unwrap();
    store.check().unwrap();
    drop(store);
    let store = Sqlite::open(&disk.0.join("data"), &options).unwrap();
    assert_eq!(scene.texts(&store).len(), said + 1);
}

#[test]
fn a_read_only_disk_is_refused_with_words() {
    let place = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(&place.path().join("disk"), 4 << 20) else {
        return;
    };
    let folder = disk.0.join("data");
    drop(Sqlite::open(&folder, &Options::default()).unwrap());
    disk.make_read_only();
    let Err(error) = Sqlite::open(&folder, &Options::default()) else {
        panic!("it opened");
    };
    assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");
    assert!(error.to_string().contains("writable"), "{error}");
}

#[test]
fn a_database_locked_by_others_refuses_until_it_is_free() {
    let place = TempDir::new().unwrap();
    let options = Options {
        busy_timeout: Duration::from_millis(20),
        ..Options::default()
    };
    let store = Sqlite::open(place.path(), &options).unwrap();
    let mut scene = Scene::new(&store);
    let other = Connection::open(place.path().join("palaver.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let words = rolled_back(&store, &scene.say("never"));
    scene.unsay();
    assert!(words.contains("locked"), "{words}");
    assert!(store.check().is_err(), "it cannot write and says so");
    assert!(scene.texts(&store).is_empty(), "reading goes on");
    assert!(user(&store, scene.app.id, "ann").is_some(), "so do lookups");
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(&scene.say("now")).unwrap();
    store.check().unwrap();
    assert_eq!(scene.texts(&store), ["now"]);
}

#[test]
fn a_batch_whose_commit_fails_in_the_middle_is_found_not_to_be_stored() {
    if let Some(folder) = child::folder() {
        return find_out_while_the_wal_cannot_grow(&folder);
    }
    let place = TempDir::new().unwrap();
    let part = Part::start(
        "faults::a_batch_whose_commit_fails_in_the_middle_is_found_not_to_be_stored",
        place.path(),
    );
    assert!(part.succeeds());
}

/// Files may grow up to here.
fn limit_files(bytes: u64) {
    let (_, hard) = Resource::FSIZE.get().unwrap();
    setrlimit(Resource::FSIZE, bytes, hard).unwrap();
}

fn unlimit_files() {
    limit_files(Resource::FSIZE.get_hard().unwrap());
}

fn find_out_while_the_wal_cannot_grow(folder: &Path) {
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    let mut scene = Scene::new(&store);
    for number in 0..50 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    // The WAL is full of small commits and much longer than the database. It stops growing in the
    // middle of the next one.
    let wal = fs::metadata(folder.join("palaver.db-wal")).unwrap().len();
    limit_files(wal + 5_000);
    let words = rolled_back(&store, &scene.say("x".repeat(50_000)));
    scene.unsay();
    assert!(words.contains("I/O"), "{words}");
    assert_eq!(scene.texts(&store).len(), 50);
    // The WAL is empty now, so what is small fits although the limit stands.
    store.commit(&scene.say("small")).unwrap();
    unlimit_files();
    store.commit(&scene.say("x".repeat(50_000))).unwrap();
    store.check().unwrap();
    drop(store);
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    assert_eq!(scene.texts(&store).len(), 52);
    child::done();
}

#[test]
fn a_batch_that_nobody_can_look_up_is_unknown_until_the_disk_is_back() {
    if let Some(folder) = child::folder() {
        return find_out_once_the_disk_is_back(&folder);
    }
    let place = TempDir::new().unwrap();
    let part = Part::start(
        "faults::a_batch_that_nobody_can_look_up_is_unknown_until_the_disk_is_back",
        place.path(),
    );
    assert!(part.succeeds());
}

fn find_out_once_the_disk_is_back(folder: &Path) {
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    let mut scene = Scene::new(&store);
    store.commit(&scene.say("before")).unwrap();
    limit_files(1_000);
    let lost = scene.say("lost");
    let result = store.commit(&lost);
    assert!(matches!(result, Err(CommitError::Unknown(_))), "{result:?}");
    // Until it can be opened again nothing is written, and that much is certain.
    let next = scene.say("next");
    rolled_back(&store, &next);
    assert!(store.check().is_err());
    assert!(
        store.counters().is_err(),
        "nobody decides on what may not be so"
    );
    unlimit_files();

    store.check().unwrap();
    let counters = store.counters().unwrap();
    let texts = scene.texts(&store);
    let stored = counters.last_g == lost.last_g;
    assert_eq!(texts.len(), if stored { 2 } else { 1 }, "{texts:?}");
    let mut after = Scene::of(&store);
    store.commit(&after.say("after")).unwrap();
    drop(store);
    // What it said then stays true.
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    assert_eq!(after.texts(&store)[..texts.len()], texts);
    assert_eq!(after.texts(&store).len(), texts.len() + 1);
    child::done();
}
