//! What the writer remembers, and when it forgets.

use std::sync::Arc;

use chat::{
    AppId, ConversationId, ConversationKind, ConversationView, ExternalId, SessionId, Timestamp,
    User, UserId,
    facts::{Facts, Halt},
    model::{Conversation, KeyId, Member, MemberRole, Profile},
    store::{Change, Found, Need},
};
use uuid::Uuid;

const APP: AppId = AppId(1);

fn user(id: i64, external: &str) -> Arc<User> {
    Arc::new(User {
        id: UserId(id),
        app: APP,
        uuid: Uuid::from_u128(id.unsigned_abs().into()),
        external: ExternalId::text(external),
        number: id,
        profile: Profile::default(),
        created_at: Timestamp(0),
        updated_at: None,
        last_active: Timestamp(0),
    })
}

fn view(id: i64) -> ConversationView {
    ConversationView {
        conversation: Arc::new(Conversation {
            id: ConversationId(id),
            app: APP,
            uuid: Uuid::from_u128(id.unsigned_abs().into()),
            kind: ConversationKind::Direct,
            key: Some(format!("key {id}")),
            numbers: None,
            created_at: Timestamp(0),
        }),
        details: Arc::default(),
        members: [user(1, "ann"), user(2, "bob")]
            .map(|user| Member {
                user,
                role: MemberRole::Member,
            })
            .into(),
        messages: 3,
        last_seq: 4,
        last_g: 9,
        updated_at: Timestamp(3),
        last_message_at: None,
    }
}

#[test]
fn what_is_not_known_is_a_need_and_what_is_not_there_is_known() {
    let mut facts = Facts::default();
    let need = Need::User(APP, "ann".to_owned());
    assert_eq!(
        facts.user(APP, "ann").unwrap_err(),
        Halt::Need(need.clone())
    );
    facts.learn(need, Found::User(None));
    assert_eq!(facts.user(APP, "ann").unwrap(), None);
    assert!(facts.user(AppId(2), "ann").is_err(), "each app for itself");

    let need = Need::AppByName("shop".to_owned());
    assert_eq!(facts.app("shop").unwrap_err(), Halt::Need(need.clone()));
    facts.learn(need, Found::App(None));
    assert_eq!(facts.app("shop").unwrap(), None);

    let need = Need::Key(KeyId(3));
    assert_eq!(facts.key(KeyId(3)).unwrap_err(), Halt::Need(need.clone()));
    facts.learn(need, Found::Key(None));
    assert_eq!(facts.key(KeyId(3)).unwrap(), None);

    let place = (ConversationId(1), UserId(1));
    let need = Need::Sent(place.0, place.1, "x".to_owned());
    assert_eq!(
        facts.sent(place.0, place.1, "x").unwrap_err(),
        Halt::Need(need.clone())
    );
    facts.learn(need, Found::Sent(None));
    assert_eq!(facts.sent(place.0, place.1, "x").unwrap(), None);
}

#[test]
fn a_conversation_found_by_one_name_is_known_by_both() {
    let direct = ConversationKind::Direct;
    let names = [
        Need::ConversationByKey(APP, direct, "key 5".to_owned()),
        Need::ConversationByUuid(APP, Uuid::from_u128(5)),
    ];
    for need in names {
        let mut facts = Facts::default();
        facts.learn(need, Found::Conversation(Some(view(5))));
        let by_key = facts.conversation_by_key(APP, direct, "key 5".to_owned());
        assert_eq!(by_key.unwrap(), Some(&view(5)));
        let by_uuid = facts.conversation_by_uuid(APP, Uuid::from_u128(5));
        assert_eq!(by_uuid.unwrap(), Some(&view(5)));
        let elsewhere = facts.conversation_by_uuid(AppId(2), Uuid::from_u128(5));
        assert!(elsewhere.is_err(), "another app has to ask for itself");
    }
}

#[test]
fn what_a_batch_changed_is_newer_than_what_the_store_says() {
    let mut facts = Facts::default();
    let new = ConversationView {
        last_seq: 0,
        ..view(5)
    };
    facts.apply(&Change::Conversation(new));
    let state = |facts: &Facts| {
        let found = facts.conversation_by_uuid(APP, Uuid::from_u128(5)).unwrap();
        found.unwrap().last_seq
    };
    assert_eq!(state(&facts), 0);
    let need = Need::ConversationByKey(APP, ConversationKind::Direct, "key 5".to_owned());
    facts.learn(need, Found::Conversation(Some(view(5))));
    assert_eq!(state(&facts), 0);
}

#[test]
fn who_went_offline_before_being_looked_up_went_offline() {
    let mut facts = Facts::default();
    let last_active = |facts: &Facts| facts.user(APP, "ann").unwrap().unwrap().last_active;
    facts.apply(&Change::UserWentOffline(UserId(1), Timestamp(7)));
    let need = Need::User(APP, "ann".to_owned());
    facts.learn(need, Found::User(Some(user(1, "ann"))));
    assert_eq!(last_active(&facts), Timestamp(7));
    facts.trim();
    assert_eq!(last_active(&facts), Timestamp(7));
    facts.apply(&Change::UserWentOffline(UserId(1), Timestamp(9)));
    assert_eq!(last_active(&facts), Timestamp(9));
}

#[test]
fn an_answer_to_another_question_is_not_believed() {
    let mut facts = Facts::default();
    let need = Need::User(APP, "ann".to_owned());
    facts.learn(need.clone(), Found::App(None));
    assert_eq!(facts.user(APP, "ann").unwrap_err(), Halt::Need(need));
}

#[test]
fn sends_are_forgotten_after_each_batch_and_the_rest_is_kept() {
    let mut facts = Facts::default();
    facts.apply(&Change::User(user(1, "ann")));
    let need = Need::Sent(ConversationId(1), UserId(1), "x".to_owned());
    facts.learn(need, Found::Sent(None));
    facts.trim();
    assert!(facts.sent(ConversationId(1), UserId(1), "x").is_err());
    assert_eq!(facts.user(APP, "ann").unwrap(), Some(&user(1, "ann")));
}

#[test]
fn it_does_not_grow_for_ever() {
    let mut facts = Facts::default();
    let everybody = 250_000;
    for id in 0..everybody {
        facts.learn(Need::User(APP, id.to_string()), Found::User(None));
        assert!(
            facts.user(APP, &id.to_string()).is_ok(),
            "not within a batch"
        );
    }
    facts.trim();
    assert!(facts.user(APP, "7").is_err());
    // What is told about sessions is not kept at all.
    facts.apply(&Change::SessionEnded(SessionId(1)));
}
