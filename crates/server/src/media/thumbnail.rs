//! Small pictures of pictures, for lists and narrow pages.
//!
//! Decoding is work that a stranger has asked for, so it is limited in memory, and what does not fit
//! has no thumbnail: that is no error. Who waits for whom, and where the result goes, is for `super`.

use std::{
    fs::File,
    io::{BufReader, Cursor},
    path::Path,
};

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, ImageResult, Limits,
    codecs::jpeg::JpegEncoder,
};

/// Longest side, in pixels. A picture that is smaller stays as large as it is.
const SIDE: u32 = 320;
/// Most bytes that a decoded picture may have: 24 megapixels, or 18 with transparency. A progressive
/// JPEG takes up to three times as much on its way.
const MAX_DECODED: u64 = 72_000_000;
/// Of JPEG, from 1 to 100.
const QUALITY: u8 = 80;

/// A small picture of the picture at `path`, as a PNG where some of it is transparent, else as a JPEG.
/// `None` where there is none to be had: nobody here reads this type, it is broken or too large. Works
/// for as long as the picture is large, and blocks.
pub(super) fn make(path: &Path, mime: &str) -> Option<Vec<u8>> {
    let format = ImageFormat::from_mime_type(mime)?;
    match shrink(path, format) {
        Ok(small) => small,
        Err(error) => {
            tracing::debug!(%error, "a picture has no thumbnail");
            None
        }
    }
}

fn shrink(path: &Path, format: ImageFormat) -> ImageResult<Option<Vec<u8>>> {
    let mut reader = ImageReader::with_format(BufReader::new(File::open(path)?), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // Not every decoder looks at its limits.
    if decoder.total_bytes() > MAX_DECODED {
        return Ok(None);
    }
    // A camera that was held upright says so and turns nothing.
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    if picture.width().max(picture.height()) > SIDE {
        picture = picture.thumbnail(SIDE, SIDE);
    }
    picture.apply_orientation(orientation);
    encode(&picture).map(Some)
}

fn encode(picture: &DynamicImage) -> ImageResult<Vec<u8>> {
    let mut bytes = Vec::new();
    let with_alpha = picture.to_rgba8();
    if with_alpha.pixels().any(|pixel| pixel.0[3] < u8::MAX) {
        with_alpha.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
        picture.to_rgb8().write_with_encoder(encoder)?;
    }
    Ok(bytes)
}
