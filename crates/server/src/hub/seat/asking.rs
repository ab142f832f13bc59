//! Who asks: whom the handshake names, whoever has registered with a token since, or whom a key or
//! token in the payload names.

use std::sync::Arc;

use chat::{Actor, Proof, Refusal, Subject, model::Secret};
use dialects::{Credential, Dialect, Request};
use tokio::task::AbortHandle;

use super::Seat;
use crate::{
    hub::timers,
    identity::{TokenError, Verified, credential, verify},
};

impl Seat {
    /// Who asked last.
    pub(in crate::hub) fn asker(&self) -> &Actor {
        let bearer = self.bearer.as_ref();
        bearer.map_or(&self.voice.actor, |(_, actor)| actor)
    }

    /// The socket speaks this dialect from now on. Where its namespace says so it does already.
    pub(super) fn speak(&mut self, dialect: &'static dyn Dialect) {
        if self.voice.dialect.is_some() {
            return;
        }
        self.voice.dialect = Some(dialect);
        self.stream.socket.session.speak(dialect);
        if let Some(subject) = &self.home.subject {
            self.home = Arc::new(Actor {
                subject: Some(self.person(subject.clone())),
                ..Actor::clone(&self.home)
            });
            self.voice.actor = Arc::clone(&self.home);
        }
    }

    /// Sees who has registered with a token: from now on that one asks, where the payload says nothing
    /// else. The token's end is the end of that, as it would be of the handshake's.
    pub(super) fn adopt(&mut self) {
        let Some((id, proof)) = self.stream.socket.session.proven() else {
            return;
        };
        self.voice.actor = Arc::new(Actor {
            subject: Some(Subject::new(id, None)),
            proof,
            ..Actor::clone(&self.home)
        });
        let socket = &self.stream.socket;
        let expiry = proof
            .until
            .map(|until| timers::expire_later(&self.hub, socket, until));
        let earlier = std::mem::replace(&mut self.expiry, expiry);
        earlier
            .as_ref()
            .inspect(|earlier| AbortHandle::abort(earlier));
    }

    /// Who asks for this.
    pub(super) fn actor_of(&mut self, request: &Request) -> Result<Arc<Actor>, Refusal> {
        match &request.credential {
            None => Ok(Arc::clone(&self.voice.actor)),
            Some(Credential::Key(key)) => self.bearer_of(key),
            Some(Credential::Token(token)) => {
                let Verified {
                    subject,
                    expires_at,
                } = self.prove(token, self.home.subject.as_ref())?;
                Ok(Arc::new(Actor {
                    subject: Some(subject),
                    proof: Proof {
                        key: None,
                        until: expires_at,
                    },
                    ..Actor::clone(&self.home)
                }))
            }
            Some(Credential::Same(token)) => {
                self.prove(token, self.voice.actor.subject.as_ref())?;
                Ok(Arc::clone(&self.voice.actor))
            }
        }
    }

    /// What a token says, which must be for this subject if there is one.
    fn prove(&self, token: &Secret, whose: Option<&Subject>) -> Result<Verified, Refusal> {
        let verified = verify(&self.home.app, &token.0, self.hub.now());
        let verified = verified.map_err(|error| match error {
            TokenError::Expired => Refusal::TokenExpired,
            other => Refusal::TokenRefused {
                why: other.to_string(),
            },
        })?;
        let subject = self.person(verified.subject);
        if whose.is_some_and(|whose| whose.id != subject.id) {
            return Err(Refusal::NotTheTokensSubject);
        }
        Ok(Verified {
            subject,
            ..verified
        })
    }

    /// Whoever brings a key, or a token in its place.
    fn bearer_of(&mut self, key: &Secret) -> Result<Arc<Actor>, Refusal> {
        let now = self.hub.now();
        if let Some((known, actor)) = &self.bearer {
            let Proof { key: id, until } = actor.proof;
            let works = id.is_none_or(|id| self.hub.directory.works(id));
            if known == key && works && until.is_none_or(|until| now < until) {
                return Ok(Arc::clone(actor));
            }
        }
        let home = Some(&self.home.app);
        let opened = credential::open(&self.hub.directory, home, &key.0, now)?;
        let actor = Arc::new(Actor {
            app: opened.app,
            subject: opened.subject.map(|subject| self.person(subject)),
            scope: opened.scope,
            proof: opened.proof,
            session: self.home.session.clone(),
        });
        self.bearer = Some((key.clone(), Arc::clone(&actor)));
        Ok(actor)
    }

    /// Whom the socket's dialect makes of a subject.
    fn person(&self, subject: Subject) -> Subject {
        match self.voice.dialect {
            Some(dialect) => Subject {
                id: dialect.person(&subject),
                ..subject
            },
            None => subject,
        }
    }
}
