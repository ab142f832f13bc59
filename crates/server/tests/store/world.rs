//! Makes what stores keep, numbered as the writer would number it.

use std::{collections::HashMap, sync::Arc};

use chat::{
    App, AppId, Body, Conversation, ConversationId, ConversationKind, ConversationView, ExternalId,
    Identity, KeyId, Media, Message, MessageView, Proof, SessionId, SessionSeed, Store, Timestamp,
    Topic, User, UserId,
    model::{
        ApiKey, Details, MediaKind, Member, MemberRole, Metadata, Product, Profile, Scope, Secret,
        pair_key, product_key,
    },
    room::RoomNumbers,
    store::{Batch, Change, Counters, Entry, Found, ListPage, Need, Page},
};
use serde_json::json;
use uuid::Uuid;

/// Gives out numbers and ids, all rising.
#[derive(Default)]
pub(crate) struct World {
    counters: Counters,
    seqs: HashMap<ConversationId, u64>,
    ticks: i64,
}

impl World {
    /// Goes on where a store stands.
    pub(crate) fn after(store: &dyn Store) -> Self {
        let counters = store.counters().unwrap();
        Self {
            counters,
            ticks: i64::try_from(counters.last_g).unwrap() * 10,
            ..Self::default()
        }
    }

    pub(crate) fn now(&mut self) -> Timestamp {
        self.ticks += 1;
        Timestamp(1_700_000_000_000 + self.ticks)
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        self.counters.last_uuid = Uuid::from_u128(self.counters.last_uuid.as_u128() + (1 << 80));
        self.counters.last_uuid
    }

    pub(crate) fn g(&mut self) -> u64 {
        self.counters.last_g += 1;
        self.counters.last_g
    }

    pub(crate) fn last_g(&self) -> u64 {
        self.counters.last_g
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    pub(crate) fn app(&mut self, name: &str) -> Arc<App> {
        self.counters.last_app += 1;
        Arc::new(App {
            id: AppId(self.counters.last_app),
            // Made by whoever makes the app, so it is above every other and must not count.
            uuid: Uuid::from_u128(u128::MAX - u128::from(self.counters.last_app.unsigned_abs())),
            name: name.to_owned(),
            identity: Identity::Verified,
            is_default: false,
            max_text_bytes: 65_536,
            secret: Secret("a secret".to_owned()),
            public_keys: "-----BEGIN PUBLIC KEY-----".to_owned(),
            created_at: self.now(),
        })
    }

    pub(crate) fn key(&mut self, app: &App, scope: Scope) -> Arc<ApiKey> {
        self.counters.last_key += 1;
        let id = self.counters.last_key;
        Arc::new(ApiKey {
            id: KeyId(id),
            app: app.id,
            scope,
            hash: [id.to_le_bytes()[0]; 32],
            prefix: format!("pk_{id}"),
            created_at: self.now(),
            revoked_at: None,
        })
    }

    pub(crate) fn user(&mut self, app: &App, external: impl Into<String>) -> Arc<User> {
        self.counters.last_user += 1;
        let now = self.now();
        Arc::new(User {
            id: UserId(self.counters.last_user),
            app: app.id,
            uuid: self.uuid(),
            external: ExternalId::text(external),
            number: self.counters.last_user,
            profile: Profile::default(),
            created_at: now,
            updated_at: None,
            last_active: now,
        })
    }

    pub(crate) fn direct(&mut self, a: &Arc<User>, b: &Arc<User>) -> ConversationView {
        let key = Some(pair_key(a.id, b.id));
        let mut members = [a, b].map(member);
        members.sort_by_key(|member| member.user.id);
        let kind = ConversationKind::Direct;
        self.conversation((kind, key, None), Details::default(), members)
    }

    /// A conversation about a product; the vendor first.
    pub(crate) fn product(
        &mut self,
        id: &str,
        vendor: &Arc<User>,
        customer: &Arc<User>,
    ) -> ConversationView {
        let key = Some(product_key(id, vendor.id, customer.id));
        let details = Details {
            title: Some(format!("the {id}")),
            product: Some(Box::new(Product {
                id: id.to_owned(),
                price: Some("1 €".to_owned()),
                ..Product::default()
            })),
            ..Details::default()
        };
        let members = [vendor, customer].map(member);
        self.conversation((ConversationKind::Product, key, None), details, members)
    }

    /// A group; the first one owns it.
    pub(crate) fn group(&mut self, people: &[&Arc<User>], details: Details) -> ConversationView {
        let mut members: Vec<_> = people.iter().copied().map(member).collect();
        members[0].role = MemberRole::Owner;
        self.conversation((ConversationKind::Group, None, None), details, members)
    }

    /// A room; the first one owns it, the second one moderates.
    pub(crate) fn room(&mut self, slug: &str, people: &[&Arc<User>]) -> ConversationView {
        let mut members: Vec<_> = people.iter().copied().map(member).collect();
        let roles = [MemberRole::Owner, MemberRole::Moderator];
        for (member, role) in members.iter_mut().zip(roles) {
            member.role = role;
        }
        let details = Details {
            title: Some(slug.to_owned()),
            room: Some(Arc::default()),
            ..Details::default()
        };
        // Unlike each other, so that they are not taken for each other.
        let number = 1_000_000_000 + self.counters.last_conversation * 2;
        let numbers = RoomNumbers {
            channel: number,
            chatroom: number + 1,
        };
        let names = (ConversationKind::Room, Some(slug.to_owned()), Some(numbers));
        self.conversation(names, details, members)
    }

    fn conversation(
        &mut self,
        (kind, key, numbers): (ConversationKind, Option<String>, Option<RoomNumbers>),
        details: Details,
        members: impl Into<Arc<[Member]>>,
    ) -> ConversationView {
        self.counters.last_conversation += 1;
        let members = members.into();
        let conversation = Arc::new(Conversation {
            id: ConversationId(self.counters.last_conversation),
            app: members[0].user.app,
            uuid: self.uuid(),
            kind,
            key,
            numbers,
            created_at: self.now(),
        });
        ConversationView {
            details: Arc::new(details),
            members,
            last_seq: 0,
            last_g: 0,
            messages: 0,
            updated_at: conversation.created_at,
            last_message_at: None,
            conversation,
        }
    }

    /// The next entry in the log of a conversation.
    pub(crate) fn entry(&mut self, conversation: &Conversation, actor: &User) -> Entry {
        let seq = self.seqs.entry(conversation.id).or_insert(0);
        *seq += 1;
        let seq = *seq;
        Entry {
            g: self.g(),
            conversation: conversation.id,
            seq,
            actor: Some(actor.id),
            origin: Some(SessionId(7)),
            at: self.now(),
        }
    }

    /// A file with a small picture of it, to neither of which anything else refers.
    pub(crate) fn picture(&mut self) -> Media {
        let small = Media {
            bytes: 7,
            title: None,
            ..self.file()
        };
        Media {
            thumbnail: Some(Box::new(small)),
            ..self.file()
        }
    }

    /// A file that nothing else refers to.
    pub(crate) fn file(&mut self) -> Media {
        Media {
            name: format!("{}.png", self.uuid()),
            kind: MediaKind::Image,
            mime: "image/png".to_owned(),
            bytes: 5_000_000_000,
            title: Some("a picture".to_owned()),
            thumbnail: None,
        }
    }

    pub(crate) fn message(
        &mut self,
        conversation: &Arc<Conversation>,
        sender: &Arc<User>,
        text: impl Into<String>,
    ) -> MessageView {
        let seq = self.seqs.entry(conversation.id).or_insert(0);
        *seq += 1;
        let seq = *seq;
        MessageView {
            conversation: Arc::clone(conversation),
            sender: Arc::clone(sender),
            message: Message {
                g: self.g(),
                conversation: conversation.id,
                seq,
                uuid: self.uuid(),
                sender: sender.id,
                body: Body::text(text),
                created_at: self.now(),
                edited_at: None,
                recipient_online: None,
                origin: None,
                client_id: None,
                badges: Vec::new(),
            },
            seen: false,
            quoted: None,
        }
    }

    /// The next message is this one in its conversation.
    pub(crate) fn set_seq(&mut self, conversation: &Conversation, last_seq: u64) {
        self.seqs.insert(conversation.id, last_seq);
    }

    pub(crate) fn subscription(
        &mut self,
        session: &Arc<SessionSeed>,
        user: &User,
        topic: Topic,
    ) -> Change {
        Change::Subscription {
            session: Arc::clone(session),
            user: Some(user.id),
            proof: Proof::default(),
            topic,
            dialect: "direct",
            spelling: None,
            since: self.g(),
            at: self.now(),
        }
    }

    pub(crate) fn batch(&self, changes: impl IntoIterator<Item = Change>) -> Batch {
        Batch {
            changes: changes.into_iter().collect(),
            last_g: self.counters.last_g,
        }
    }
}

/// A part of a history, however long its texts are.
pub(crate) fn page(offset: u64, limit: u32) -> Page {
    Page {
        offset,
        limit,
        bytes: usize::MAX,
    }
}

/// A part of a list, with the newest message of each.
pub(crate) fn list(offset: u64, limit: u32) -> ListPage {
    ListPage {
        kind: None,
        offset,
        limit,
        messages: page(0, 1),
    }
}

pub(crate) fn session(id: i64) -> Arc<SessionSeed> {
    Arc::new(SessionSeed {
        id: SessionId(id),
        app: AppId(1),
        subject: Some("ann".to_owned()),
        pid_hash: [id.to_le_bytes()[0]; 32],
        sid: format!("sid-{id}"),
        namespace: "/".to_owned(),
        start_g: 0,
    })
}

pub(crate) fn member(user: &Arc<User>) -> Member {
    Member {
        user: Arc::clone(user),
        role: MemberRole::Member,
    }
}

pub(crate) fn metadata(value: &str) -> Metadata {
    match json!({ "kept": value, "list": [1, null, { "deep": true }] }) {
        serde_json::Value::Object(map) => Metadata(map),
        _ => Metadata::default(),
    }
}

pub(crate) fn message(view: MessageView) -> Change {
    Change::Message(Arc::new(view))
}

/// An app, two people in it and their conversation, stored.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) app: Arc<App>,
    pub(crate) ann: Arc<User>,
    pub(crate) bob: Arc<User>,
    pub(crate) chat: Arc<Conversation>,
    /// The conversation as it was made.
    pub(crate) view: ConversationView,
}

impl Scene {
    pub(crate) fn new(store: &dyn Store) -> Self {
        let mut world = World::default();
        let app = world.app("shop");
        let ann = world.user(&app, "ann");
        let bob = world.user(&app, "bob");
        let view = world.direct(&ann, &bob);
        let scene = Self {
            world,
            app,
            ann,
            bob,
            chat: Arc::clone(&view.conversation),
            view,
        };
        store.commit(&scene.world.batch(scene.changes())).unwrap();
        scene
    }

    /// What made it.
    pub(crate) fn changes(&self) -> [Change; 4] {
        [
            Change::App(Arc::clone(&self.app)),
            Change::User(Arc::clone(&self.ann)),
            Change::User(Arc::clone(&self.bob)),
            Change::Conversation(self.view.clone()),
        ]
    }

    /// The scene that a store holds already.
    pub(crate) fn of(store: &dyn Store) -> Self {
        let mut world = World::after(store);
        let app = Arc::new(store.apps().unwrap().remove(0));
        let [ann, bob] = ["ann", "bob"].map(|name| user(store, app.id, name).unwrap());
        let need =
            Need::ConversationByKey(app.id, ConversationKind::Direct, pair_key(ann.id, bob.id));
        let Found::Conversation(Some(view)) = store.load(&need).unwrap() else {
            panic!("the conversation is gone");
        };
        world.set_seq(&view.conversation, view.last_seq);
        Self {
            world,
            app,
            ann,
            bob,
            chat: Arc::clone(&view.conversation),
            view,
        }
    }

    /// A batch of one message from ann.
    pub(crate) fn say(&mut self, text: impl Into<String>) -> Batch {
        let view = self.world.message(&self.chat, &self.ann, text);
        self.world.batch([message(view)])
    }

    /// What is in the conversation, oldest first.
    pub(crate) fn texts(&self, store: &dyn Store) -> Vec<String> {
        let history = store
            .history(&self.chat, u64::MAX, &page(0, u32::MAX))
            .unwrap();
        let text = |view: MessageView| view.message.body.text;
        history.into_iter().map(text).collect()
    }

    /// Takes back the numbers of a batch that was not stored, so that the next one is dense.
    pub(crate) fn unsay(&mut self) {
        let seq = self.world.seqs.get_mut(&self.chat.id).unwrap();
        *seq -= 1;
    }
}

pub(crate) fn user(store: &dyn Store, app: AppId, external: &str) -> Option<Arc<User>> {
    match store.load(&Need::User(app, external.to_owned())).unwrap() {
        Found::User(user) => user,
        other => panic!("asked for a user, got {other:?}"),
    }
}
