//! Apps and API keys in memory, for everybody who comes in.
//!
//! Filled from the store at start and after every change that an operator makes. Readers take a
//! snapshot and never wait for the store.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use chat::{
    App, AppId, Fault, Store,
    model::{ApiKey, KeyId, Scope},
};
use parking_lot::RwLock;
use tokio::sync::watch;
use uuid::Uuid;

use super::key;

/// The demo's key; those of the store begin at 1.
const DEMO_KEY: KeyId = KeyId(0);

/// All apps and all keys that work.
///
/// The demo's key is in no store: it works as long as the demo is on.
pub struct Directory {
    store: Arc<dyn Store>,
    /// The app of the demo, while that is on.
    demo: OnceLock<AppId>,
    snapshot: RwLock<Arc<Snapshot>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Snapshot {
    apps: HashMap<AppId, Arc<App>>,
    by_uuid: HashMap<Uuid, AppId>,
    default: Option<AppId>,
    keys: HashMap<[u8; 32], Arc<ApiKey>>,
    working: HashSet<KeyId>,
}

impl Directory {
    /// Reads everything from the store. Blocks.
    pub fn load(store: Arc<dyn Store>) -> Result<Self, Fault> {
        let snapshot = RwLock::new(Arc::new(read(&*store, None)?));
        Ok(Self {
            store,
            demo: OnceLock::new(),
            snapshot,
            changes: watch::Sender::new(0),
        })
    }

    /// Reads everything anew. Blocks. Whoever holds an app by its handle keeps the old one.
    pub fn reload(&self) -> Result<(), Fault> {
        let snapshot = Arc::new(read(&*self.store, self.demo.get().copied())?);
        *self.snapshot.write() = snapshot;
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    /// From now on the demo's key opens this app. Blocks.
    pub fn open_demo(&self, app: AppId) -> Result<(), Fault> {
        // There is one demo; a second call would be for the same app.
        let _ = self.demo.set(app);
        self.reload()
    }

    /// The app of the demo, while that is on.
    pub fn demo_app(&self) -> Option<Arc<App>> {
        self.app(*self.demo.get()?)
    }

    /// Whether an app is the demo's.
    pub fn is_demo(&self, app: AppId) -> bool {
        self.demo.get() == Some(&app)
    }

    /// Tells of every reload, so that sockets whose key was revoked can be closed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The app that clients without a key belong to.
    pub fn default_app(&self) -> Option<Arc<App>> {
        let snapshot = self.snapshot();
        snapshot.apps.get(&snapshot.default?).cloned()
    }

    /// The app of this id.
    pub fn app(&self, id: AppId) -> Option<Arc<App>> {
        self.snapshot().apps.get(&id).cloned()
    }

    /// The app of this outside id.
    pub fn app_by_uuid(&self, uuid: Uuid) -> Option<Arc<App>> {
        let snapshot = self.snapshot();
        snapshot.apps.get(snapshot.by_uuid.get(&uuid)?).cloned()
    }

    /// The app and the key that this text opens; none for a revoked key.
    ///
    /// Found by hash, so the time that this takes tells nothing about other keys.
    pub fn by_key(&self, text: &str) -> Option<(Arc<App>, Arc<ApiKey>)> {
        let snapshot = self.snapshot();
        let found = snapshot.keys.get(&key::hash(text))?;
        let app = snapshot.apps.get(&found.app)?;
        Some((Arc::clone(app), Arc::clone(found)))
    }

    /// Whether this key still works.
    pub fn works(&self, key: KeyId) -> bool {
        self.snapshot().working.contains(&key)
    }

    /// All apps, oldest first.
    pub fn apps(&self) -> Vec<Arc<App>> {
        let mut apps: Vec<_> = self.snapshot().apps.values().cloned().collect();
        apps.sort_by_key(|app| app.id);
        apps
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read())
    }
}

impl Snapshot {
    fn add(&mut self, key: ApiKey) {
        self.working.insert(key.id);
        self.keys.insert(key.hash, Arc::new(key));
    }
}

fn read(store: &dyn Store, demo: Option<AppId>) -> Result<Snapshot, Fault> {
    let mut snapshot = Snapshot::default();
    let demo_hash = key::hash(key::DEMO);
    for app in store.apps()? {
        for key in store.keys(app.id)? {
            // Earlier versions stored the demo's key; everybody knows it.
            if key.revoked_at.is_none() && key.hash != demo_hash {
                snapshot.add(key);
            }
        }
        if demo == Some(app.id) {
            snapshot.add(ApiKey {
                id: DEMO_KEY,
                app: app.id,
                scope: Scope::Client,
                hash: demo_hash,
                prefix: key::prefix(key::DEMO),
                created_at: app.created_at,
                revoked_at: None,
            });
        }
        snapshot.by_uuid.insert(app.uuid, app.id);
        if app.is_default {
            snapshot.default = Some(app.id);
        }
        snapshot.apps.insert(app.id, Arc::new(app));
    }
    Ok(snapshot)
}
