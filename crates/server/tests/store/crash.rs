//! Killed at any moment, the store keeps what it has acknowledged.

use std::{fs, path::Path};

use chat::Store;
use server::stores::{Options, Sqlite};
use tempfile::TempDir;

use crate::{
    child::{self, Part},
    world::{Scene, message, page},
};

/// Messages in each batch, so that half a batch would be seen.
const PARTS: u64 = 3;

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, &Options::default()).unwrap()
}

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    if let Some(folder) = child::folder() {
        commit_until_killed(&folder);
    }
    let place = TempDir::new().unwrap();
    drop(Scene::new(&open(place.path())));
    let mut acknowledged = 0;
    for patience in [1, 40, 7, 150, 23] {
        let mut part = Part::start("crash::what_was_acknowledged_outlives_a_kill", place.path());
        for _ in 0..patience {
            acknowledged = part.hear().expect("it commits").parse().unwrap();
        }
        part.kill();
        // It may have said more until it died.
        while let Some(said) = part.hear() {
            acknowledged = said.parse().unwrap();
        }
        drop(part);

        let store = open(place.path());
        let scene = Scene::of(&store);
        let history = store
            .history(&scene.chat, u64::MAX, &page(0, u32::MAX))
            .unwrap();
        let found = history.len() as u64;
        assert!(found >= acknowledged, "{found} are there of {acknowledged}");
        assert!(
            found <= acknowledged + PARTS,
            "only the last batch was not yet acknowledged"
        );
        assert_eq!(found % PARTS, 0, "no half batches");
        let seqs: Vec<_> = history.iter().map(|view| view.message.seq).collect();
        assert_eq!(
            seqs,
            (1..=found).collect::<Vec<_>>(),
            "each once, none missing"
        );
        let newest = history.last().unwrap();
        assert_eq!(newest.message.g, store.counters().unwrap().last_g);
    }
}

fn commit_until_killed(folder: &Path) -> ! {
    let store = open(folder);
    let mut scene = Scene::of(&store);
    loop {
        let views =
            [(); PARTS as usize].map(|()| scene.world.message(&scene.chat, &scene.ann, "x"));
        let last = views[PARTS as usize - 1].message.seq;
        store
            .commit(&scene.world.batch(views.map(message)))
            .unwrap();
        child::tell(last);
    }
}

#[test]
fn a_torn_end_of_the_wal_is_left_out() {
    let place = TempDir::new().unwrap();
    let (folder, copy) = (place.path().join("data"), place.path().join("copy"));
    let store = open(&folder);
    let mut scene = Scene::new(&store);
    for number in 0..20 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    // As a power cut leaves it: the database and a WAL whose last frame is half there.
    fs::create_dir(&copy).unwrap();
    for name in ["palaver.db", "palaver.db-wal"] {
        fs::copy(folder.join(name), copy.join(name)).unwrap();
    }
    let wal = fs::OpenOptions::new()
        .write(true)
        .open(copy.join("palaver.db-wal"))
        .unwrap();
    let whole = wal.metadata().unwrap().len();
    assert!(whole > 4_120, "the commits are in the WAL");
    wal.set_len(whole - 1_000).unwrap();
    drop(wal);

    let torn = open(&copy);
    let texts = scene.texts(&torn);
    assert_eq!(
        texts.len(),
        19,
        "the last commit lost its end and does not count"
    );
    let mut after = Scene::of(&torn);
    torn.commit(&after.say("goes on")).unwrap();
    assert_eq!(after.texts(&torn).len(), 20);
}
