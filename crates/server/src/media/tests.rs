//! Of the store of files: what stays and what goes.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::{fs, io::Cursor, path::PathBuf, time::Instant};

use chat::{
    AppId, ExternalId, Store, Timestamp, User, UserId,
    model::{MediaKind, Picture, Profile},
    store::{Batch, Change},
};
use image::{
    DynamicImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::jpeg::JpegEncoder,
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
    media.discard(&Media {
        name: "../palaver.db".to_owned(),
        ..refused.clone()
    });
    media.discard(&refused);
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
        number: 1,
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

/// Red above, blue below.
fn flag(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |_, y| {
        Rgb(if y < height / 2 {
            [255, 0, 0]
        } else {
            [0, 0, 255]
        })
    })
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let picture = picture.into();
    picture
        .write_to(&mut Cursor::new(&mut bytes), format)
        .unwrap();
    bytes
}

/// Keeps a picture, and looks at its thumbnail.
async fn shrunk(media: &Arc<MediaStore>, picture: Vec<u8>) -> (Media, DynamicImage) {
    let kept = media.keep(picture.into(), None).await.unwrap().release();
    let small = *kept.thumbnail.expect("a thumbnail");
    let bytes = fs::read(media.folder.join(&small.name)).unwrap();
    assert_eq!(small.bytes, bytes.len() as u64);
    let shown = image::load_from_memory(&bytes).unwrap();
    (small, shown)
}

#[tokio::test]
async fn a_picture_gets_a_small_one() {
    let (_folder, media) = open(CONFIG);
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::WebP,
    ] {
        let (small, shown) = shrunk(&media, encoded(flag(800, 400), format)).await;
        assert_eq!((shown.width(), shown.height()), (320, 160), "{format:?}");
        assert_eq!((small.kind, &*small.mime), (MediaKind::Image, "image/jpeg"));
        assert_eq!(small.name.rsplit_once('.').unwrap().1, "jpg");
        let shown = shown.to_rgb8();
        let (above, below) = (shown.get_pixel(160, 40), shown.get_pixel(160, 120));
        assert!(above[0] > 200 && above[2] < 50, "{format:?}: {above:?}");
        assert!(below[2] > 200 && below[0] < 50, "{format:?}: {below:?}");
    }
    let (_, shown) = shrunk(&media, encoded(flag(60, 20), ImageFormat::Png)).await;
    assert_eq!((shown.width(), shown.height()), (60, 20));
    let (_, shown) = shrunk(&media, encoded(flag(1, 2_000), ImageFormat::Png)).await;
    assert_eq!((shown.width(), shown.height()), (1, 320));
}

#[tokio::test]
async fn what_is_transparent_stays_so() {
    let (_folder, media) = open(CONFIG);
    let glass = RgbaImage::from_pixel(400, 400, Rgba([9, 9, 9, 100]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let (small, shown) = shrunk(&media, encoded(glass.clone(), format)).await;
        assert_eq!(small.mime, "image/png");
        assert_eq!(shown.to_rgba8().get_pixel(5, 5)[3], 100);
    }
}

/// The camera was held on its side: what is stored on the left is to be shown above.
#[tokio::test]
async fn a_picture_is_turned_as_its_camera_was() {
    const TURN_RIGHT: u8 = 6;
    let (_folder, media) = open(CONFIG);
    // A little-endian TIFF head, and one entry: the orientation (0x0112), one short.
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([TURN_RIGHT, 0, 0, 0, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif).unwrap();
    flag(800, 400).write_with_encoder(encoder).unwrap();
    let (_, shown) = shrunk(&media, bytes).await;
    assert_eq!((shown.width(), shown.height()), (160, 320));
    let shown = shown.to_rgb8();
    let (left, right) = (shown.get_pixel(20, 160), shown.get_pixel(140, 160));
    assert!(left[2] > 200 && right[0] > 200, "{left:?} {right:?}");
}

/// A picture of so many pixels that says nothing more of itself.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut picture = encoded(RgbImage::new(1, 1), ImageFormat::Png);
    let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
    picture[16..24].copy_from_slice(&sizes);
    let sum = crc(&picture[12..29]).to_be_bytes();
    picture[29..33].copy_from_slice(&sum);
    picture
}

/// Annex D of the PNG specification.
fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
    let add = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), step);
    !bytes.iter().fold(u32::MAX, add)
}

#[tokio::test]
async fn what_cannot_be_made_small_is_kept_all_the_same() {
    let (_folder, media) = open(CONFIG);
    let jpeg = encoded(flag(800, 400), ImageFormat::Jpeg);
    let mut huge_gif = encoded(flag(2, 2), ImageFormat::Gif);
    huge_gif[6..10].fill(0xff);
    for (what, picture) in [
        ("only a head", PNG.to_vec()),
        ("a bomb", png_of(60_000, 60_000)),
        ("a bomb of one line", png_of(u32::MAX >> 1, 1)),
        ("no pixels", png_of(0, 0)),
        ("a gif of 65535 by 65535", huge_gif),
        (
            "half a picture",
            encoded(flag(800, 400), ImageFormat::Png)[..200].to_vec(),
        ),
        ("a name without a picture", jpeg[..20].to_vec()),
        ("a type that is not read here", b"BM......".to_vec()),
        ("a film", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec()),
    ] {
        let bytes = picture.len() as u64;
        let kept = media.keep(picture.into(), None).await.unwrap();
        assert_eq!(kept.media().thumbnail, None, "{what}");
        assert_eq!(kept.media().bytes, bytes);
    }
    await_empty(&media).await;
    // The sums are right: what is refused is the size.
    let (_, shown) = shrunk(&media, png_of(1, 1)).await;
    assert_eq!((shown.width(), shown.height()), (1, 1));
}

#[tokio::test]
async fn a_thumbnail_goes_with_its_picture() {
    let (folder, media) = open(CONFIG);
    let store = Sqlite::open(folder.path(), &Options::default()).unwrap();
    let picture = encoded(flag(800, 400), ImageFormat::Png);
    let keep = || async { media.keep(picture.clone().into(), None).await.unwrap() };
    drop(keep().await);
    await_empty(&media).await;
    media.discard(&keep().await.release());
    await_empty(&media).await;

    let used = keep().await.release();
    keep().await.release();
    refer_to(&store, &used);
    assert_eq!(files(&media).len(), 4);
    let removed = janitor::clean(&media.folder, &store, std::time::Duration::ZERO);
    assert_eq!(removed.unwrap(), 2);
    let small = used.thumbnail.as_ref().unwrap();
    let mut left = files(&media);
    left.sort();
    let mut due = [&used.name, &small.name].map(|name| media.folder.join(name));
    due.sort();
    assert_eq!(left, due);
    // It can be given out by its own name.
    assert_eq!(
        store.media(&small.name).unwrap().unwrap().mime,
        "image/jpeg"
    );
}
