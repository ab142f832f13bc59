//! Rules about apps and their keys.

use std::sync::Arc;

use super::Draft;
use crate::{
    command::Reply,
    facts::Halt,
    model::{ApiKey, App, KeyId, Scope},
    refusal::Refusal,
    store::Change,
};

impl Draft<'_> {
    pub(super) fn create_app(&mut self, app: &App, keys: &[ApiKey]) -> Result<Reply, Halt> {
        if self.facts.app(&app.name)?.is_some() {
            return Err(Refusal::NameTaken.into());
        }
        let app = Arc::new(App {
            id: self.mint.app(),
            ..app.clone()
        });
        self.changes.push(Change::App(Arc::clone(&app)));
        for key in keys {
            let key = ApiKey {
                id: self.mint.key(),
                app: app.id,
                ..key.clone()
            };
            self.changes.push(Change::Key(Arc::new(key)));
        }
        Ok(Reply::AppCreated { app })
    }

    pub(super) fn create_key(&mut self, key: &ApiKey) -> Result<Reply, Halt> {
        self.check_may_manage_keys()?;
        let key = Arc::new(ApiKey {
            id: self.mint.key(),
            app: self.app(),
            ..key.clone()
        });
        let id = key.id;
        self.changes.push(Change::Key(key));
        Ok(Reply::KeyCreated { key: id })
    }

    pub(super) fn revoke_key(&mut self, id: KeyId) -> Result<Reply, Halt> {
        self.check_may_manage_keys()?;
        let key = self.facts.key(id)?.filter(|key| key.app == self.app());
        let key = key.ok_or(Refusal::UnknownKey)?;
        if key.revoked_at.is_none() {
            self.changes.push(Change::KeyRevoked(id, self.now));
        }
        Ok(Reply::Done)
    }

    /// An app's keys are the business of its own servers, and of operators, who act as those.
    fn check_may_manage_keys(&self) -> Result<(), Refusal> {
        match self.actor.scope {
            Scope::Server => Ok(()),
            Scope::Client => Err(Refusal::NotAllowed),
        }
    }
}
