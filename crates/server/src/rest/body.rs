//! What a request brought: JSON, or a form with at most one file, and the query.
//!
//! Texts stay in memory and are limited; a file goes to the media store as it comes.

use std::time::Duration;

use axum::body::Body as Stream;
use axum::{
    RequestExt,
    extract::{
        DefaultBodyLimit, Query, Request,
        multipart::{Field, Multipart, MultipartError},
    },
    http::{HeaderMap, StatusCode, header},
};
use chat::model::MediaKind;
use dialects::minchat::rest::{Form, Input};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use mime::Mime;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    Rejection, Rest,
    caller::Caller,
    pace::{Pace, Paced},
};
use crate::{
    listen::Refused,
    media::{Kept, MediaError},
};

/// Longest JSON body, and the most that all texts of a form may have together, in bytes.
const MAX_TEXT_BYTES: usize = 1_000_000;
/// Most parts of a form: a group may have a thousand members.
const MAX_PARTS: usize = 1_100;
/// Bodies up to this length, in bytes, need no seat.
const SMALL_BYTES: u64 = 16 << 10;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Which field of a form may be a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileField {
    /// None.
    None,
    /// `avatar_file`, a picture.
    Avatar,
    /// `file`, anything.
    File,
}

impl FileField {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Avatar => Some("avatar_file"),
            Self::File => Some("file"),
        }
    }
}

/// What a request brought.
pub(super) struct Body {
    content: Content,
    /// The file; it is removed with this unless it is taken out.
    pub(super) kept: Option<Kept>,
}

enum Content {
    Json(Box<RawValue>),
    Form(Form),
}

impl Body {
    /// For the dialect.
    pub(super) fn input(&self) -> Input<'_> {
        match &self.content {
            Content::Json(json) => Input::Json(json),
            Content::Form(form) => Input::Form(form),
        }
    }
}

impl Rest {
    /// Reads the body of a request, which must be JSON or a form.
    pub(super) async fn read_body(
        &self,
        caller: &Caller,
        request: Request,
        file: FileField,
    ) -> Result<Body, Rejection> {
        let kind = content_type(request.headers())?;
        let length = length(request.headers());
        let _seat = if length.is_some_and(|length| length <= SMALL_BYTES) {
            None
        } else {
            let seat = self.0.seats.take(caller.ip);
            Some(seat.map_err(|refused| match refused {
                Refused::PerIp => Rejection::too_often(Duration::from_secs(1)),
                _ => Rejection::busy(),
            })?)
        };
        let read = async {
            match kind {
                Kind::Json => read_json(request).await,
                Kind::Form => self.read_form(request, file).await,
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| {
            let words = "the body took too long";
            Err(Rejection::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                words,
            ))
        })
    }

    async fn read_form(&self, request: Request, file: FileField) -> Result<Body, Rejection> {
        let media = &self.parts().media;
        let limit = media.max_bytes().saturating_add(2 * MAX_TEXT_BYTES as u64);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (parts, stream) = request.into_parts();
        let (stream, pace) = Paced::new(stream);
        let mut request = Request::from_parts(parts, Stream::new(stream));
        DefaultBodyLimit::max(limit).apply(&mut request);
        let form: Multipart = request.extract().await.map_err(|_| {
            Rejection::invalid("Content-Type", "must name the boundary of the form")
        })?;
        self.read_parts(form, &pace, limit as u64, file).await
    }

    async fn read_parts(
        &self,
        mut form: Multipart,
        pace: &Pace,
        limit: u64,
        file: FileField,
    ) -> Result<Body, Rejection> {
        let broken = |error: MultipartError| broken(&error, limit);
        let mut found = Form::default();
        let (mut kept, mut parts, mut bytes) = (None, 0, 0);
        loop {
            pace.taken();
            let Some(part) = form.next_field().await.map_err(broken)? else {
                break;
            };
            parts += 1;
            if parts > MAX_PARTS {
                let must = format!("must have at most {MAX_PARTS} parts");
                return Err(Rejection::invalid("body", &must));
            }
            let Some(name) = part.name().map(str::to_owned) else {
                return Err(Rejection::invalid("body", "must have a name for each part"));
            };
            if part.file_name().is_some() && file.name() == Some(&*name) {
                if kept.is_some() {
                    return Err(Rejection::invalid(&name, "must be one file"));
                }
                kept = self.read_file(part, pace, limit, &name).await?;
                let media = kept.as_ref().map(Kept::media);
                if let Some(media) = media {
                    let is_picture = matches!(media.kind, MediaKind::Image | MediaKind::Gif);
                    if file == FileField::Avatar && !is_picture {
                        return Err(Rejection::invalid(&name, "must be a picture"));
                    }
                    found.files.push((name, media.clone()));
                }
            } else {
                bytes += name.len();
                let text = read_text(part, pace, limit, &name, &mut bytes).await?;
                found.texts.push((name, text));
            }
        }
        let content = Content::Form(found);
        Ok(Body { content, kept })
    }

    /// Takes in a file. A page sends an empty one without a name where none was chosen.
    async fn read_file(
        &self,
        mut part: Field<'_>,
        pace: &Pace,
        limit: u64,
        name: &str,
    ) -> Result<Option<Kept>, Rejection> {
        let refused = |error: MediaError| match error {
            MediaError::TooLarge { limit } => Rejection::too_large(name, limit),
            MediaError::NoSpace => Rejection::busy(),
            MediaError::Failed(fault) => Rejection::internal(&fault),
        };
        let title = part.file_name().unwrap_or_default().to_owned();
        let mut incoming = self.parts().media.receive().await.map_err(refused)?;
        let mut is_empty = true;
        while let Some(piece) = part.chunk().await.map_err(|error| broken(&error, limit))? {
            pace.taken();
            is_empty = is_empty && piece.is_empty();
            incoming.write(&piece).await.map_err(refused)?;
        }
        if is_empty && title.is_empty() {
            return Ok(None);
        }
        let kept = incoming.finish(Some(title)).await.map_err(refused)?;
        self.parts().metrics.media_bytes.inc_by(kept.media().bytes);
        Ok(Some(kept))
    }
}

/// Reads a text. `bytes` counts those of all texts.
async fn read_text(
    mut part: Field<'_>,
    pace: &Pace,
    limit: u64,
    name: &str,
    bytes: &mut usize,
) -> Result<String, Rejection> {
    let mut text = Vec::new();
    while let Some(piece) = part.chunk().await.map_err(|error| broken(&error, limit))? {
        pace.taken();
        *bytes += piece.len();
        if *bytes > MAX_TEXT_BYTES {
            return Err(Rejection::too_large("body", MAX_TEXT_BYTES as u64));
        }
        text.extend_from_slice(&piece);
    }
    String::from_utf8(text).map_err(|_| Rejection::invalid(name, "must be valid UTF-8"))
}

/// Why a form could not be read to its end.
fn broken(error: &MultipartError, limit: u64) -> Rejection {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Rejection::too_large("body", limit);
    }
    Rejection::invalid(
        "body",
        "must be a whole multipart form: it is malformed or ended early",
    )
}

async fn read_json(request: Request) -> Result<Body, Rejection> {
    let limited = Limited::new(request.into_body(), MAX_TEXT_BYTES);
    let bytes = match limited.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Rejection::too_large("body", MAX_TEXT_BYTES as u64));
        }
        Err(_) => return Err(Rejection::invalid("body", "must be whole: it ended early")),
    };
    let json = serde_json::from_slice(&bytes).map_err(|error| {
        let must = format!(
            "must be JSON (line {}, column {})",
            error.line(),
            error.column()
        );
        Rejection::invalid("body", &must)
    })?;
    Ok(Body {
        content: Content::Json(json),
        kept: None,
    })
}

enum Kind {
    Json,
    Form,
}

fn content_type(headers: &HeaderMap) -> Result<Kind, Rejection> {
    let text = headers.get(header::CONTENT_TYPE);
    let kind = text.and_then(|text| text.to_str().ok()?.parse::<Mime>().ok());
    match kind.as_ref().map(Mime::essence_str) {
        Some("application/json") => Ok(Kind::Json),
        Some("multipart/form-data") => Ok(Kind::Form),
        _ => {
            let words = "Content-Type must be application/json or multipart/form-data";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            Err(Rejection::new(status, "unsupported_media_type", words))
        }
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The query of a request, as a form.
pub(super) fn query(request: &Request) -> Result<Form, Rejection> {
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let Query(texts) = query.map_err(|_| Rejection::invalid("query", "must be a valid query"))?;
    let files = Vec::new();
    Ok(Form { texts, files })
}
