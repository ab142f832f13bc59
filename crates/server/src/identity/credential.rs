//! What stands where an API key is asked for: a key of ours, or a *user key*, a token that the app
//! signed for one of its users. So a client that knows only of API keys works in a verified app too.

use std::sync::Arc;

use chat::{App, Proof, Refusal, Subject, Timestamp, model::Scope};

use super::{Directory, TokenError, verify};

/// What a credential opens.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The app.
    pub app: Arc<App>,
    /// What may be done there.
    pub scope: Scope,
    /// The user for whom it speaks; `None` for a key.
    pub subject: Option<Subject>,
    /// What the right to listen hangs on.
    pub proof: Proof,
}

/// Opens an app with a credential. A token is one of `home`, for nothing in it names its app.
///
/// # Errors
/// No such key, or a token that is none of `home`'s: the two are not told apart. A token that has
/// expired is named, so that its holder gets another.
pub fn open(
    directory: &Directory,
    home: Option<&Arc<App>>,
    text: &str,
    now: Timestamp,
) -> Result<Opened, Refusal> {
    if let Some((app, key)) = directory.by_key(text) {
        let proof = Proof {
            key: Some(key.id),
            until: None,
        };
        return Ok(Opened {
            app,
            scope: key.scope,
            subject: None,
            proof,
        });
    }
    let app = home.ok_or(Refusal::UnknownKey)?;
    let verified = verify(app, text, now).map_err(|error| match error {
        TokenError::Expired => Refusal::TokenExpired,
        _ => Refusal::UnknownKey,
    })?;
    let proof = Proof {
        key: None,
        until: verified.expires_at,
    };
    Ok(Opened {
        app: Arc::clone(app),
        scope: Scope::Client,
        subject: Some(verified.subject),
        proof,
    })
}
