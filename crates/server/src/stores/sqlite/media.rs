//! The rows of files that something refers to. They come and go in the transaction of what refers to
//! them, so whoever serves files or takes them away can trust this table.

use chat::{AppId, Media, Timestamp, model::Picture};
use rusqlite::{Connection, Result, Row, params};

use super::{
    convert::{media_kind, media_kind_name, signed, unsigned},
    read::one,
};

const BY_NAME: &str = "SELECT name, kind, mime, bytes, title FROM media WHERE name = ?1";
const RELEASE: &str = "UPDATE media SET uses = uses - 1 WHERE name = ?1";
const DROP_UNUSED: &str = "DELETE FROM media WHERE name = ?1 AND uses <= 0";

/// For the test of plans.
#[cfg(test)]
pub(super) const LOOKUPS: &[&str] = &[BY_NAME, RELEASE, DROP_UNUSED];

pub(super) fn by_name(connection: &Connection, name: &str) -> Result<Option<Media>> {
    one(connection, BY_NAME, [name], media)
}

fn media(row: &Row<'_>) -> Result<Media> {
    Ok(Media {
        name: row.get(0)?,
        kind: media_kind(row.get_ref(1)?.as_str()?)?,
        mime: row.get(2)?,
        bytes: unsigned(row.get(3)?)?,
        title: row.get(4)?,
        thumbnail: None,
    })
}

/// The file of a picture, if it is one of ours.
pub(super) fn of_picture(picture: Option<&Picture>) -> &[Media] {
    match picture {
        Some(Picture::Media(media)) => std::slice::from_ref(media),
        Some(Picture::Url(_)) | None => &[],
    }
}

/// Notes that what referred to the files `old` refers to `new` now, which may be the same.
pub(super) fn change(
    connection: &Connection,
    app: AppId,
    at: Timestamp,
    old: &[Media],
    new: &[Media],
) -> Result<()> {
    for file in new {
        hold(connection, app, at, file)?;
    }
    old.iter().try_for_each(|file| release(connection, file))
}

/// Notes that something refers to a file, and so to its thumbnail.
pub(super) fn hold(
    connection: &Connection,
    app: AppId,
    at: Timestamp,
    media: &Media,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO media (name, app, mime, kind, bytes, title, created_at, uses)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)
             ON CONFLICT (name) DO UPDATE SET uses = uses + 1",
        )?
        .execute(params![
            media.name,
            app.0,
            media.mime,
            media_kind_name(media.kind),
            signed(media.bytes)?,
            media.title,
            at.0,
        ])?;
    let thumbnail = media.thumbnail.as_deref();
    thumbnail.map_or(Ok(()), |thumbnail| hold(connection, app, at, thumbnail))
}

/// Notes that something refers to a file no longer.
pub(super) fn release(connection: &Connection, media: &Media) -> Result<()> {
    for step in [RELEASE, DROP_UNUSED] {
        connection.prepare_cached(step)?.execute([&media.name])?;
    }
    let thumbnail = media.thumbnail.as_deref();
    thumbnail.map_or(Ok(()), |thumbnail| release(connection, thumbnail))
}
