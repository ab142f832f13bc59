//! What a request brought: JSON, or a form, perhaps with files, and the query.
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
use chat::{Media, model::MediaKind};
use dialects::rest::{Form, Input};
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
/// Most files of a form.
const MAX_FILES: usize = 10;
/// Names a send, so that it can be sent again without making a second message.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Bodies up to this length, in bytes, need no seat.
const SMALL_BYTES: u64 = 16 << 10;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// Which fields of a form may be files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// None.
    None,
    /// `avatar_file`, a picture.
    Avatar,
    /// `file`, anything.
    One,
    /// Any, up to [`MAX_FILES`], all of one kind.
    All(Kind),
}

/// What files must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Video,
    Pdf,
}

impl Files {
    fn takes(self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::Avatar => name == "avatar_file",
            Self::One => name == "file",
            Self::All(_) => true,
        }
    }

    fn most(self) -> usize {
        match self {
            Self::None => 0,
            Self::Avatar | Self::One => 1,
            Self::All(_) => MAX_FILES,
        }
    }

    /// Whether a file is what it must be.
    fn check(self, name: &str, media: &Media) -> Result<(), Rejection> {
        let is = |kind| match kind {
            Kind::Picture => matches!(media.kind, MediaKind::Image | MediaKind::Gif),
            Kind::Video => media.kind == MediaKind::Video,
            Kind::Pdf => media.mime == "application/pdf",
        };
        match self {
            Self::Avatar if !is(Kind::Picture) => {
                Err(Rejection::invalid(name, "must be a picture"))
            }
            Self::All(kind) if !is(kind) => {
                let must = match kind {
                    Kind::Picture => "a picture",
                    Kind::Video => "a video",
                    Kind::Pdf => "a PDF",
                };
                Err(Rejection::unsupported(&format!("{name} must be {must}")))
            }
            _ => Ok(()),
        }
    }
}

/// What a request brought.
pub(super) struct Body {
    content: Content,
    /// The files; they are removed with this unless they are taken out.
    pub(super) kept: Vec<Kept>,
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
        files: Files,
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
                Type::Json => read_json(request).await,
                Type::Form => self.read_form(request, files).await,
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

    async fn read_form(&self, request: Request, files: Files) -> Result<Body, Rejection> {
        let media = &self.parts().media;
        let most = files.most().max(1) as u64;
        let limit = media.max_bytes().saturating_mul(most);
        let limit = limit.saturating_add(2 * MAX_TEXT_BYTES as u64);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (parts, stream) = request.into_parts();
        let (stream, pace) = Paced::new(stream);
        let mut request = Request::from_parts(parts, Stream::new(stream));
        DefaultBodyLimit::max(limit).apply(&mut request);
        let form: Multipart = request.extract().await.map_err(|_| {
            Rejection::invalid("Content-Type", "must name the boundary of the form")
        })?;
        self.read_parts(form, &pace, limit as u64, files).await
    }

    async fn read_parts(
        &self,
        mut form: Multipart,
        pace: &Pace,
        limit: u64,
        files: Files,
    ) -> Result<Body, Rejection> {
        let broken = |error: MultipartError| broken(&error, limit);
        let mut found = Form::default();
        let (mut kept, mut parts, mut bytes) = (Vec::new(), 0, 0);
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
            if part.file_name().is_some() && files.takes(&name) {
                if kept.len() == files.most() {
                    let must = match files.most() {
                        1 => "must be one file".to_owned(),
                        most => format!("must be one of at most {most} files"),
                    };
                    return Err(Rejection::invalid(&name, &must));
                }
                if let Some(file) = self.read_file(part, pace, limit, &name).await? {
                    files.check(&name, file.media())?;
                    found.files.push((name, file.media().clone()));
                    kept.push(file);
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
        kept: Vec::new(),
    })
}

enum Type {
    Json,
    Form,
}

fn content_type(headers: &HeaderMap) -> Result<Type, Rejection> {
    let text = headers.get(header::CONTENT_TYPE);
    let kind = text.and_then(|text| text.to_str().ok()?.parse::<Mime>().ok());
    match kind.as_ref().map(Mime::essence_str) {
        Some("application/json") => Ok(Type::Json),
        Some("multipart/form-data") => Ok(Type::Form),
        _ => {
            let words = "Content-Type must be application/json or multipart/form-data";
            Err(Rejection::unsupported(words))
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

/// The name of a send, if the request has one.
pub(super) fn idempotency_key(request: &Request) -> Result<Option<String>, Rejection> {
    let key = request.headers().get(IDEMPOTENCY_KEY);
    let text = key.map(|key| key.to_str().map(str::to_owned)).transpose();
    text.map_err(|_| Rejection::invalid(IDEMPOTENCY_KEY, "must be text"))
}
