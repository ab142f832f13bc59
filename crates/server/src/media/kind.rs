//! What a file is, told by its content. What its sender says about it counts for nothing.

use chat::model::MediaKind;

/// As much of a file's beginning as is looked at.
pub(super) const HEAD_BYTES: usize = 8 << 10;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What pages do with it.
    pub(super) use_as: MediaKind,
    pub(super) mime: &'static str,
    /// Without the dot.
    pub(super) extension: &'static str,
}

/// Nobody knows what, or something that must not be called by its name: a page of ours would run it.
const UNKNOWN: Kind = Kind {
    use_as: MediaKind::File,
    mime: "application/octet-stream",
    extension: "bin",
};

/// What browsers show or play by themselves. Pictures that are programs (SVG) are not among them.
const SHOWN: &[(&str, MediaKind)] = &[
    ("image/png", MediaKind::Image),
    ("image/jpeg", MediaKind::Image),
    ("image/webp", MediaKind::Image),
    ("image/avif", MediaKind::Image),
    ("image/bmp", MediaKind::Image),
    ("image/gif", MediaKind::Gif),
    ("video/mp4", MediaKind::Video),
    ("video/x-m4v", MediaKind::Video),
    ("video/webm", MediaKind::Video),
    ("video/quicktime", MediaKind::Video),
    ("audio/mpeg", MediaKind::File),
    ("audio/m4a", MediaKind::File),
    ("audio/ogg", MediaKind::File),
    ("audio/x-flac", MediaKind::File),
    ("audio/x-wav", MediaKind::File),
    ("audio/aac", MediaKind::File),
];

/// Whether a page may show or play a file of this type. Everything else is for download only.
pub(super) fn is_shown(mime: &str) -> bool {
    SHOWN.iter().any(|(shown, _)| *shown == mime)
}

/// What a file with this beginning is; at least [`HEAD_BYTES`] of it, if it has so many.
pub(super) fn detect(head: &[u8]) -> Kind {
    let Some(found) = infer::get(head) else {
        return UNKNOWN;
    };
    // Markup and scripts.
    if found.matcher_type() == infer::MatcherType::Text {
        return UNKNOWN;
    }
    let mime = found.mime_type();
    let shown = SHOWN.iter().find(|(shown, _)| *shown == mime);
    Kind {
        use_as: shown.map_or(MediaKind::File, |(_, kind)| *kind),
        mime,
        extension: found.extension(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_decides() {
        let cases: &[(&[u8], MediaKind, &str, &str)] = &[
            (
                b"\x89PNG\r\n\x1a\n....",
                MediaKind::Image,
                "image/png",
                "png",
            ),
            (
                b"\xff\xd8\xff\xe0....",
                MediaKind::Image,
                "image/jpeg",
                "jpg",
            ),
            (b"GIF89a......", MediaKind::Gif, "image/gif", "gif"),
            (
                b"RIFF\x10\0\0\0WEBPVP8 ",
                MediaKind::Image,
                "image/webp",
                "webp",
            ),
            (
                b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
                MediaKind::Video,
                "video/mp4",
                "mp4",
            ),
            (b"%PDF-1.7\n", MediaKind::File, "application/pdf", "pdf"),
            (b"ID3\x03\0\0", MediaKind::File, "audio/mpeg", "mp3"),
        ];
        for (head, kind, mime, extension) in cases {
            let found = detect(head);
            assert_eq!(
                (found.use_as, found.mime, found.extension),
                (*kind, *mime, *extension)
            );
        }
    }

    #[test]
    fn what_a_browser_would_run_has_no_type() {
        for head in [
            &b"<!DOCTYPE html><script>alert(1)</script>"[..],
            b"<html><body onload=alert(1)>",
            b"  <script>alert(1)</script>",
            b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>",
            b"#!/bin/sh\nrm -rf /",
            b"alert(1)",
            b"",
            b"just words",
        ] {
            assert_eq!(detect(head), UNKNOWN, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn only_what_is_harmless_is_shown() {
        for mime in [
            "image/svg+xml",
            "text/html",
            "text/xml",
            "application/pdf",
            "application/octet-stream",
            "image/png; x",
        ] {
            assert!(!is_shown(mime), "{mime}");
        }
    }

    /// A type that `infer` does not know would never be found.
    #[test]
    fn every_shown_type_can_be_found() {
        for (mime, _) in SHOWN {
            assert!(infer::is_mime_supported(mime), "{mime}");
        }
    }
}
