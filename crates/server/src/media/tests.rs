//! Of the store of files: what stays and what goes.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::{fs, path::PathBuf, time::Instant};

use chat::{
    AppId, ExternalId, Store, Timestamp, User, UserId,
    model::{MediaKind, Picture, Profile},
    store::{Batch, Change},
};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::stores::{Options, Sqlite};

const CONFIG: MediaConfig = MediaConfig {
    max_bytes: 1_000_000,
    free_space_floor: 0,
};
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

fn open(config: MediaConfig) -> (TempDir, Arc<MediaStore>) {
    let folder = tempfile::tempdir().unwrap();
    let media = Arc::new(MediaStore::open(folder.path(), config).unwrap());
    (folder, media)
}

fn files(media: &MediaStore) -> Vec<PathBuf> {
    let list = |folder: &Path| {
        let entries = folder
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    [list(&media.folder), list(&media.folder.join(INCOMING))].concat()
}

/// Waits until nothing is left: removing happens in the background.
async fn await_empty(media: &MediaStore) {
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    while !files(media).is_empty() {
        assert!(Instant::now() < deadline, "waited for no files");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_is_private_and_whole_when_it_has_its_name() {
    let (_folder, media) = open(CONFIG);
    let title = Some("..\\me/../pic\u{7}ture.png".to_owned());
    let mut incoming = media.receive().await.unwrap();
    let mut content = PNG.to_vec();
    content.resize(700_000, 7);
    for piece in content.chunks(10_000) {
        incoming.write(piece).await.unwrap();
    }
    let kept = incoming.finish(title).await.unwrap().release();
    assert_eq!((kept.kind, &*kept.mime), (MediaKind::Image, "image/png"));
    assert_eq!(
        (kept.bytes, kept.title.as_deref()),
        (700_000, Some("picture.png"))
    );
    let place = media.folder.join(&kept.name);
    assert_eq!(files(&media), std::slice::from_ref(&place));
    assert_eq!(fs::read(&place).unwrap(), content);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place), mode(&media.folder)), (0o600, 0o700));
}

#[tokio::test]
async fn what_is_dropped_before_it_is_used_is_gone() {
    let (_folder, media) = open(CONFIG);
    let mut half = media.receive().await.unwrap();
    half.write(&vec![1; WRITE_BYTES + 1]).await.unwrap();
    assert_eq!(files(&media).len(), 1);
    drop(half);
    await_empty(&media).await;
    let unused = media.keep(PNG.into(), None).await.unwrap();
    assert_eq!(files(&media).len(), 1);
    drop(unused);
    await_empty(&media).await;
    let refused = media.keep(PNG.into(), None).await.unwrap().release();
    media.discard("../palaver.db");
    media.discard(&refused.name);
    await_empty(&media).await;
}

#[tokio::test]
async fn too_many_bytes_are_refused_as_they_come() {
    let (_folder, media) = open(CONFIG);
    let mut incoming = media.receive().await.unwrap();
    incoming.write(&vec![0; 1_000_000]).await.unwrap();
    let refused = incoming.write(b"x").await.unwrap_err();
    assert!(
        matches!(refused, MediaError::TooLarge { limit: 1_000_000 }),
        "{refused}"
    );
    // Nobody can make a file of it after all.
    assert!(incoming.finish(None).await.is_err());
    await_empty(&media).await;
}

#[tokio::test]
async fn a_nearly_full_disk_takes_nothing() {
    let (_folder, media) = open(MediaConfig {
        free_space_floor: u64::MAX,
        ..CONFIG
    });
    let refused = media.keep(PNG.into(), None).await.unwrap_err();
    assert!(matches!(refused, MediaError::NoSpace), "{refused}");
    assert!(files(&media).is_empty());
}

#[tokio::test]
async fn a_start_removes_what_was_not_whole() {
    let (folder, media) = open(CONFIG);
    let kept = media.keep(PNG.into(), None).await.unwrap().release();
    fs::write(media.folder.join(INCOMING).join("half"), "x").unwrap();
    let again = MediaStore::open(folder.path(), CONFIG).unwrap();
    assert_eq!(files(&again), [media.folder.join(kept.name)]);
}

fn refer_to(store: &dyn Store, media: &Media) {
    let user = User {
        id: UserId(1),
        app: AppId(1),
        uuid: Uuid::from_u128(1),
        external: ExternalId::text("ada"),
        profile: Profile {
            avatar: Some(Picture::Media(media.clone())),
            ..Profile::default()
        },
        created_at: Timestamp(0),
        updated_at: None,
        last_active: Timestamp(0),
    };
    let batch = Batch {
        changes: vec![Change::User(Arc::new(user))],
        last_g: 1,
    };
    store.commit(&batch).unwrap();
}

#[tokio::test]
async fn the_janitor_takes_what_is_old_and_nothing_refers_to() {
    let (folder, media) = open(CONFIG);
    let store = Sqlite::open(folder.path(), &Options::default()).unwrap();
    let used = media.keep(PNG.into(), None).await.unwrap().release();
    media.keep(PNG.into(), None).await.unwrap().release();
    refer_to(&store, &used);
    let foreign = media.folder.join("README");
    fs::write(&foreign, "not ours").unwrap();

    let clean = |age| janitor::clean(&media.folder, &store, age).unwrap();
    let hour = std::time::Duration::from_hours(1);
    assert_eq!(clean(hour), 0, "it may belong to a command under way");
    assert_eq!(clean(std::time::Duration::ZERO), 1);
    let mut left = files(&media);
    left.sort();
    let mut due = [media.folder.join(&used.name), foreign];
    due.sort();
    assert_eq!(left, due);
}

#[tokio::test]
async fn a_copy_has_all_files() {
    let (folder, media) = open(CONFIG);
    let kept = media.keep(PNG.into(), None).await.unwrap().release();
    fs::write(media.folder.join(INCOMING).join("half"), "x").unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder.path(), copy.path()).unwrap();
    let there = MediaStore::open(copy.path(), CONFIG).unwrap();
    assert_eq!(files(&there), [there.folder.join(kept.name)]);
    // A folder of before there were files.
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_files(old.path(), new.path()).unwrap();
}
