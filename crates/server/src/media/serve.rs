//! `/media/{name}`: gives files out, to be shown by any page, and never to be run.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use chat::{Media, Store};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::spawn_blocking;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::{FileName, MediaStore, kind};

/// A name stands for one content forever. Not for shared caches, because what is deleted must go.
const CACHE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
/// Whatever a file turns out to be, it runs nothing and reaches nobody.
const POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'",
);
/// The characters of RFC 8187, section 3.2.1, that stand for themselves.
const TITLE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Clone)]
struct Files {
    media: Arc<MediaStore>,
    store: Arc<dyn Store>,
}

/// The route. A file is given out while something refers to it.
pub fn router(media: Arc<MediaStore>, store: Arc<dyn Store>) -> Router {
    Router::new()
        .route("/media/{name}", get(give))
        .with_state(Files { media, store })
}

async fn give(
    State(Files { media, store }): State<Files>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let Some(name) = FileName::parse(&name) else {
        return missing();
    };
    let path = media.folder.join(name.as_str());
    let found = spawn_blocking(move || store.media(name.as_str())).await;
    match found {
        Ok(Ok(Some(media))) => give_file(path, &media, head).await,
        Ok(Ok(None)) => missing(),
        Ok(Err(fault)) => {
            tracing::error!(%fault, "a file could not be looked up");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn give_file(path: PathBuf, media: &Media, head: Parts) -> Response {
    // `infer` writes types that are valid; whatever else is in the store is for download only.
    let mime = media.mime.parse().unwrap_or(mime::APPLICATION_OCTET_STREAM);
    let mut response = read(ServeFile::new_with_mime(path, &mime), head).await;
    if response.status() == StatusCode::NOT_FOUND {
        tracing::error!("a file to which something refers is not in the folder");
        return missing();
    }
    let is_shown = kind::is_shown(&media.mime);
    let headers = response.headers_mut();
    if let Some(disposition) = disposition(is_shown, media.title.as_deref()) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    headers.insert(header::CACHE_CONTROL, CACHE);
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// Conditions, ranges and HEAD are the library's part, all but `If-Range` (RFC 9110, section 13.1.5).
async fn read(file: ServeFile, mut head: Parts) -> Response {
    let response = serve(file.clone(), head.clone()).await;
    if may_be_part(&head.headers, response.headers()) {
        return response;
    }
    head.headers.remove(header::RANGE);
    serve(file, head).await
}

/// Whether what a client has is what is there.
fn may_be_part(asked: &HeaderMap, there: &HeaderMap) -> bool {
    let Some(known) = asked.get(header::IF_RANGE) else {
        return true;
    };
    let is = |name| there.get(name) == Some(known);
    is(header::ETAG) || is(header::LAST_MODIFIED)
}

async fn serve(file: ServeFile, head: Parts) -> Response {
    match file.oneshot(Request::from_parts(head, Body::empty())).await {
        Ok(response) => response.map(Body::new),
        Err(impossible) => match impossible {},
    }
}

/// RFC 6266; the title in the form of RFC 8187, which takes any character.
fn disposition(is_shown: bool, title: Option<&str>) -> Option<HeaderValue> {
    let kind = if is_shown { "inline" } else { "attachment" };
    let text = match title {
        Some(title) => {
            let title = utf8_percent_encode(title, TITLE);
            format!("{kind}; filename*=UTF-8''{title}")
        }
        None => kind.to_owned(),
    };
    HeaderValue::try_from(text).ok()
}

fn missing() -> Response {
    crate::rest::Rejection::new(StatusCode::NOT_FOUND, "unknown_file", "no such file")
        .into_response()
}
