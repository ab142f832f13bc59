//! Small values for the tests of the dialects.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, LazyLock};

use chat::{
    App, AppId, Body, Conversation, ConversationId, ConversationKind, ConversationView, Event,
    ExternalId, Identity, Message, MessageView, Timestamp, User, UserId,
    event::{Happening, Scene},
    model::{Details, Member, MemberRole, Profile, Secret},
};
use proptest::prelude::*;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Audience, Incoming, Seat, Site, Stage};

/// 2023-11-14T22:13:20.000Z
const NOW: Timestamp = Timestamp(1_700_000_000_000);

static APP: LazyLock<App> = LazyLock::new(|| App {
    id: AppId(1),
    uuid: Uuid::nil(),
    name: "test".to_owned(),
    identity: Identity::Open,
    is_default: true,
    max_text_bytes: 65_536,
    secret: Secret(String::new()),
    public_keys: String::new(),
    created_at: Timestamp(0),
});

pub(crate) fn seat() -> Seat<'static> {
    Seat {
        app: &APP,
        subject: None,
        claimed: None,
    }
}

pub(crate) fn site() -> Site {
    Site {
        url: "https://chat.example".to_owned(),
    }
}

/// A stage in the main namespace of [`site`].
pub(crate) fn stage(audience: Audience) -> Stage<'static> {
    static SITE: LazyLock<Site> = LazyLock::new(site);
    Stage {
        spelling: None,
        site: &SITE,
        namespace: "/",
        audience,
    }
}

/// An event of a client.
pub(crate) fn incoming(name: &str, args: &[&str]) -> Incoming {
    Incoming {
        namespace: "/".to_owned(),
        ack: None,
        name: name.to_owned(),
        args: args
            .iter()
            .map(|json| RawValue::from_string((*json).to_owned()).unwrap())
            .collect(),
        attachments: Vec::new(),
    }
}

/// A user whose ids, inside and outside, end in `id`.
pub(crate) fn user(id: u8, external: ExternalId) -> Arc<User> {
    Arc::new(User {
        id: UserId(i64::from(id)),
        app: AppId(1),
        uuid: Uuid::from_u128(u128::from(id)),
        external,
        number: i64::from(id),
        profile: Profile::default(),
        created_at: NOW,
        updated_at: None,
        last_active: NOW,
    })
}

/// A conversation whose outside id ends in `c`.
pub(crate) fn conversation(kind: ConversationKind, people: &[&Arc<User>]) -> ConversationView {
    let member = |user: &&Arc<User>| Member {
        user: Arc::clone(user),
        role: MemberRole::Member,
    };
    ConversationView {
        conversation: Arc::new(Conversation {
            id: ConversationId(1),
            app: AppId(1),
            uuid: Uuid::from_u128(0xc),
            kind,
            key: None,
            numbers: None,
            created_at: NOW,
        }),
        details: Arc::new(Details::default()),
        members: people.iter().map(member).collect(),
        last_seq: 1,
        last_g: 9,
        messages: 1,
        updated_at: NOW,
        last_message_at: Some(NOW),
    }
}

/// A message whose outside id ends in `d`.
pub(crate) fn message(place: &ConversationView, sender: &Arc<User>, body: Body) -> MessageView {
    MessageView {
        conversation: Arc::clone(&place.conversation),
        sender: Arc::clone(sender),
        message: Message {
            g: 9,
            conversation: place.conversation.id,
            seq: 1,
            uuid: Uuid::from_u128(0xd),
            sender: sender.id,
            body,
            created_at: NOW,
            edited_at: None,
            recipient_online: None,
            origin: None,
            client_id: Some("not shown".to_owned()),
            badges: Vec::new(),
        },
        seen: false,
        quoted: None,
    }
}

/// Something that happened in a conversation.
pub(crate) fn event(place: &ConversationView, happening: Happening) -> Event {
    Event {
        g: 9,
        at: NOW,
        origin: None,
        scene: scene(place),
        happening,
    }
}

pub(crate) fn scene(place: &ConversationView) -> Scene {
    Scene {
        conversation: Arc::clone(&place.conversation),
        details: Arc::clone(&place.details),
        members: Arc::clone(&place.members),
    }
}

/// JSON of any shape, with `names` and near misses among its keys, and `values` among the rest.
pub(crate) fn json(
    names: &[&'static str],
    values: &[&str],
) -> impl Strategy<Value = String> + use<> {
    let mut names = names.to_vec();
    names.extend(["", "\\ud800"]);
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    let leaf = prop_oneof![
        2 => prop::sample::select(vec!["null", "true", "1", "1e999", r#""\ud800""#])
            .prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => (-9.0e9..9.0e9_f64).prop_map(|number| number.to_string()),
        2 => prop::sample::select(values),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(3, 24, 8, move |inner| {
        let key = prop_oneof![
            16 => prop::sample::select(names.clone()).prop_map(str::to_owned),
            1 => "[a-z]{1,8}",
        ];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            4 => prop::collection::vec((key, inner), 0..9).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}
