//! Who asks: the key or token in `Authorization`, looked at before anything else of a request.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use chat::{Actor, App, Refusal, model::Scope};

use super::{Rejection, Rest, RestParts};
use crate::{
    identity::{Directory, credential},
    limits::Asking,
    listen::Peer,
};

/// Names the app of a user key, in the query or as a header.
const APP_KEY: &str = "appKey";

/// Who asks. Its request has been counted.
pub(super) struct Caller {
    pub(super) actor: Arc<Actor>,
    pub(super) ip: IpAddr,
}

impl Caller {
    /// Counts a request, whoever it was `found` to be from.
    pub(super) fn counted(
        shared: &RestParts,
        peer: Option<&Peer>,
        found: Result<Actor, Rejection>,
    ) -> Result<Self, Rejection> {
        let ip = Self::ip(peer);
        let asking = match &found {
            Ok(actor) => Asking {
                ip: (actor.scope == Scope::Client).then_some(ip),
                app: Some(actor.app.id),
                user: actor.subject.as_ref().map(|subject| &*subject.id.text),
            },
            Err(_) => Asking {
                ip: Some(ip),
                app: None,
                user: None,
            },
        };
        if let Some(wait) = shared.limits.check(&asking) {
            return Err(Rejection::too_often(wait));
        }
        let actor = Arc::new(found?);
        Ok(Self { actor, ip })
    }

    /// From where a request comes.
    pub(super) fn ip(peer: Option<&Peer>) -> IpAddr {
        // Without a listener in front, it is this machine's own.
        peer.map_or_else(|| Peer::local().ip, |peer| peer.ip)
    }

    /// Refuses everybody but the app's own servers.
    pub(super) fn must_be_server(&self) -> Result<(), Rejection> {
        match self.actor.scope {
            Scope::Server => Ok(()),
            Scope::Client => Err(Rejection::refused(&Refusal::NotAllowed)),
        }
    }
}

impl FromRequestParts<Rest> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, rest: &Rest) -> Result<Self, Rejection> {
        let shared = rest.parts();
        let peer = parts.extensions.get::<Peer>();
        let found = authenticate(shared, peer, &parts.headers);
        Self::counted(shared, peer, found)
    }
}

pub(super) fn authenticate(
    shared: &RestParts,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Actor, Rejection> {
    let Some(credential) = bearer(headers) else {
        let words = "Authorization must be Bearer, a space, and a key";
        return Err(Rejection::new(
            StatusCode::UNAUTHORIZED,
            "unknown_key",
            words,
        ));
    };
    let refused = |refusal| Rejection::refused(&refusal);
    let directory = &shared.directory;
    let home = home(directory, peer, headers).map_err(refused)?;
    let opened = credential::open(directory, home.as_ref(), credential, shared.hub.now());
    let opened = opened.map_err(refused)?;
    Ok(Actor {
        app: opened.app,
        subject: opened.subject,
        scope: opened.scope,
        proof: opened.proof,
        session: None,
    })
}

/// RFC 6750, section 2.1; the name of the scheme in any case (RFC 9110, section 11.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credential) = text.split_once(' ')?;
    let credential = credential.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !credential.is_empty()).then_some(credential)
}

/// The app in which a token is looked at.
pub(super) fn home(
    directory: &Directory,
    peer: Option<&Peer>,
    headers: &HeaderMap,
) -> Result<Option<Arc<App>>, Refusal> {
    let in_query = peer.and_then(|peer| peer.query(APP_KEY));
    let in_header = || Some(Cow::Borrowed(headers.get(APP_KEY)?.to_str().ok()?));
    let Some(text) = in_query.or_else(in_header) else {
        return Ok(directory.default_app());
    };
    let found = directory.by_key(&text).ok_or(Refusal::UnknownKey)?;
    Ok(Some(found.0))
}
