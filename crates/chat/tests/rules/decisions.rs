//! Every rule, and every way to be told no.

use std::sync::Arc;

use chat::{
    Actor, Command, Effect, ExternalId, Happening, Identity, Proof, Refusal, Reply, SessionId,
    Subject, Timestamp, Topic, UserId, UserRef,
    decide::{Moment, decide},
    facts::{Facts, Halt},
    mint::Mint,
    model::{ApiKey, App, AppId, KeyId, Scope},
    query::Nobody,
    store::{Change, Counters, Need},
};
use uuid::Uuid;

use crate::world::{
    World, anybody, app, named, open, refusal, register, send, send_as, sent, server, somebody,
    verified,
};

const MOMENT: Moment<'_> = Moment {
    now: Timestamp(1),
    presence: &Nobody,
};

#[test]
fn a_fence_needs_and_changes_nothing() {
    let mut mint = Mint::new(Counters::default(), 1);
    let actor = verified(None);
    let decision = decide(
        &Facts::default(),
        &mut mint,
        MOMENT,
        &actor,
        &Command::Fence,
    )
    .unwrap();
    assert!(decision.changes.is_empty() && decision.effects.is_empty());
    assert!(matches!(decision.reply, Reply::Done));
    assert_eq!(mint.last_g(), 0);
}

#[test]
fn what_is_not_known_is_asked_for_and_nothing_is_numbered() {
    let mut mint = Mint::new(Counters::default(), 1);
    let actor = anybody();
    let halt = decide(
        &Facts::default(),
        &mut mint,
        MOMENT,
        &actor,
        &register("ann"),
    )
    .unwrap_err();
    assert_eq!(halt, Halt::Need(Need::User(AppId(1), "ann".to_owned())));
    assert_eq!(mint.last_g(), 0);
}

#[test]
fn in_a_verified_app_whoever_acts_is_whom_the_token_names() {
    let conversation = Uuid::nil();
    for command in [
        register("ann"),
        open("ann", "bob"),
        send(conversation, "ann", "hi"),
    ] {
        let mut world = World::new();
        let mut ask = |actor| world.one(&actor, command.clone());
        assert_eq!(refusal(ask(verified(None))), Refusal::TokenRequired);
        let not_ann = refusal(ask(verified(Some("bob"))));
        assert_eq!(not_ann, Refusal::NotTheTokensSubject);
        let not_ann = refusal(ask(verified(Some("Ann"))));
        assert_eq!(not_ann, Refusal::NotTheTokensSubject);
        // Ann herself comes as far as the other rules.
        assert_ne!(
            ask(verified(Some("ann"))).err(),
            Some(Refusal::NotTheTokensSubject)
        );
    }
    let mut world = World::new();
    world.one(&verified(None), Command::Fence).unwrap();
}

#[test]
fn a_user_named_by_both_ids_must_have_both() {
    let mut world = World::new();
    let mut uuid_of = |name: &str| match world.one(&anybody(), register(name)) {
        Ok(Reply::Registered { user, .. }) => user.uuid,
        other => panic!("{other:?}"),
    };
    let (ann, bob) = (uuid_of("ann"), uuid_of("bob"));
    let open_as = |uuid: Uuid, name: &str| Command::OpenDirect {
        user: UserRef::Both(uuid, name.to_owned()),
        other: named("bob"),
        metadata: None,
        dialect: None,
    };
    for (uuid, name) in [
        (bob, "ann"),
        (ann, "bob"),
        (Uuid::nil(), "ann"),
        (ann, "cid"),
    ] {
        let refused = refusal(world.one(&anybody(), open_as(uuid, name)));
        assert_eq!(refused, Refusal::UnknownUser, "{name}");
    }
    world.one(&anybody(), open_as(ann, "ann")).unwrap();
    let for_another = refusal(world.one(&verified(Some("bob")), open_as(ann, "ann")));
    assert_eq!(for_another, Refusal::NotTheTokensSubject);
    world
        .one(&verified(Some("ann")), open_as(ann, "ann"))
        .unwrap();
}

#[test]
fn a_number_and_its_text_are_the_same_person() {
    let number = ExternalId {
        text: "7".to_owned(),
        number: true,
    };
    let as_number = Command::Register {
        user: UserRef::Named(number.clone()),
        dialect: "direct",
        alone: false,
    };
    let mut world = World::new();
    world.one(&verified(Some("7")), as_number.clone()).unwrap();
    let Ok(Reply::Registered { user, .. }) = world.one(&verified(Some("7")), register("7")) else {
        panic!("registered");
    };
    assert!(user.external.number, "the type of first sight stays");
    assert_eq!(world.store.rows().users.len(), 1);
    let with_oneself = Command::OpenDirect {
        user: named("7"),
        other: UserRef::Named(number),
        metadata: None,
        dialect: Some("direct"),
    };
    let refused = refusal(world.one(&anybody(), with_oneself));
    assert_eq!(refused, Refusal::SamePerson);
}

#[test]
fn in_an_open_app_a_token_does_not_bind() {
    let actor = Arc::new(Actor {
        app: app(1, Identity::Open),
        subject: Some(Subject::new(ExternalId::text("bob"), None)),
        scope: Scope::Client,
        proof: Proof::default(),
        session: None,
    });
    World::new().one(&actor, register("ann")).unwrap();
}

#[test]
fn registering_makes_a_user_once_and_subscribes_each_session() {
    let mut world = World::new();
    let (first, second) = (somebody(1, Some(1)), somebody(1, Some(2)));
    let turn = world.turn(vec![
        (Arc::clone(&first), register("ann")),
        (Arc::clone(&second), register("ann")),
    ]);
    let rows = world.store.rows();
    assert_eq!(rows.users.len(), 1);
    let topic = Topic::Person(rows.users[0].id);
    let expected = [
        (SessionId(1), topic, "direct", 1),
        (SessionId(2), topic, "direct", 2),
    ];
    assert_eq!(rows.subscriptions(), expected);
    let effects: Vec<_> = turn
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Subscribe(chat::event::Subscribe {
                session,
                topic,
                dialect,
                since,
                ..
            }) => (*session, *topic, *dialect, *since),
            other => panic!("a subscription, got {other:?}"),
        })
        .collect();
    assert_eq!(effects, expected);
    assert_eq!(turn.last_g, 2);
}

#[test]
fn without_a_session_nothing_is_subscribed_or_numbered() {
    let mut world = World::new();
    let rest = somebody(1, None);
    let turn = world.turn(vec![
        (Arc::clone(&rest), register("ann")),
        (rest, open("ann", "bob")),
    ]);
    assert!(turn.effects.is_empty());
    assert_eq!(turn.last_g, 0);
    let rows = world.store.rows();
    assert!(rows.sessions.is_empty());
    assert_eq!((rows.users.len(), rows.conversations.len()), (2, 1));
}

#[test]
fn a_subscription_carries_whom_a_token_named() {
    let mut world = World::new();
    world.one(&verified(Some("ann")), register("ann")).unwrap();
    world.one(&anybody(), register("bob")).unwrap();
    let subject = |change: &Change| match change {
        Change::Subscription { session, user, .. } => Some((*user, session.subject.clone())),
        _ => None,
    };
    let last = world.store.rows().last_commit;
    assert_eq!(last.iter().find_map(subject), Some((Some(UserId(2)), None)));
    world
        .one(&verified(Some("ann")), open("ann", "bob"))
        .unwrap();
    let last = world.store.rows().last_commit;
    assert_eq!(
        last.iter().find_map(subject),
        Some((Some(UserId(1)), Some("ann".to_owned())))
    );
}

#[test]
fn a_pair_has_one_conversation_from_either_side() {
    let mut world = World::new();
    let first = world.open(&anybody(), "bob", "ann");
    let again = world.open(&anybody(), "bob", "ann");
    let reversed = world.open(&somebody(1, Some(2)), "ann", "bob");
    assert_eq!(first, again);
    assert_eq!(first, reversed);
    let in_one_batch = world.all(vec![
        (anybody(), open("cid", "dan")),
        (anybody(), open("dan", "cid")),
    ]);
    let ids: Vec<_> = in_one_batch
        .iter()
        .map(|result| match result {
            Ok(Reply::Opened { conversation, user }) => {
                assert!(conversation.has(user.as_ref().unwrap().id));
                conversation.conversation.id
            }
            other => panic!("opened, got {other:?}"),
        })
        .collect();
    assert_eq!(ids[0], ids[1]);
    let rows = world.store.rows();
    assert_eq!(rows.conversations.len(), 2);
    for view in rows.conversations {
        let pair = &view.members;
        assert!(
            pair.len() == 2 && pair[0].user.id < pair[1].user.id,
            "in the order of the key"
        );
    }
    // After a restart it is found in the store.
    let mut world = World::on(world.store);
    assert_eq!(world.open(&anybody(), "ann", "bob"), first);
}

#[test]
fn opening_tells_where_the_conversation_stands() {
    let mut world = World::new();
    let view = world.open(&anybody(), "ann", "bob");
    assert_eq!((view.last_seq, view.last_message_at), (0, None));
    let said = world.one(&anybody(), send(view.conversation.uuid, "ann", "hi"));
    let (message, _) = sent(&said);
    let view = world.open(&anybody(), "bob", "ann");
    assert_eq!((view.last_seq, view.last_g), (message.seq, message.g));
    assert_eq!(view.last_message_at, Some(message.created_at));
    assert_eq!(view.updated_at, message.created_at);
}

#[test]
fn a_conversation_needs_two_people() {
    let mut world = World::new();
    assert_eq!(
        refusal(world.one(&anybody(), open("ann", "ann"))),
        Refusal::SamePerson
    );
    assert!(
        world.store.rows().users.is_empty(),
        "a refusal makes nobody"
    );
}

#[test]
fn only_the_two_may_write() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.one(&anybody(), register("eve")).unwrap();
    for (conversation, sender) in [
        (chat, "eve"),
        (chat, "nobody"),
        (Uuid::from_u128(5), "ann"),
        (Uuid::from_u128(5), "nobody"),
    ] {
        // Whatever else is wrong with it, a stranger learns only this.
        for text in ["hi", "", &"x".repeat(1_000)] {
            let refused = refusal(world.one(&anybody(), send(conversation, sender, text)));
            assert_eq!(refused, Refusal::UnknownConversation);
        }
    }
    assert!(world.store.rows().messages.is_empty());
}

#[test]
fn texts_are_kept_as_they_came_and_must_say_something() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    for blank in ["", " ", "\n\t ", "\u{a0}\u{2003}"] {
        let refused = refusal(world.one(&anybody(), send(chat, "ann", blank)));
        assert_eq!(refused, Refusal::BlankText, "{blank:?}");
    }
    let too_long = Refusal::TextTooLong { limit: 100 };
    for text in ["x".repeat(101), "é".repeat(51)] {
        let refused = refusal(world.one(&anybody(), send(chat, "ann", &text)));
        assert_eq!(refused, too_long);
    }
    for text in [
        "x".repeat(100),
        "é".repeat(50),
        " hi \n".to_owned(),
        "\0".to_owned(),
    ] {
        let said = world.one(&anybody(), send(chat, "ann", &text));
        assert_eq!(sent(&said).0.body.text, text);
    }
}

#[test]
fn a_message_is_numbered_and_shown() {
    let mut world = World::new();
    let view = world.open(&anybody(), "ann", "bob");
    let chat = view.conversation.uuid;
    let before = world.executor.last_g();
    let turn = world.turn(vec![
        (somebody(1, Some(8)), send(chat, "ann", "one")),
        (somebody(1, None), send(chat, "bob", "two")),
    ]);
    let shown: Vec<_> = turn
        .effects
        .iter()
        .map(|effect| {
            let Effect::Show(event) = effect else {
                panic!("an event, got {effect:?}");
            };
            let Happening::MessageSent(view) = &event.happening else {
                panic!("a message, got {event:?}");
            };
            assert_eq!(event.g, view.message.g);
            assert_eq!(event.origin, view.message.origin);
            assert_eq!(event.people().count(), 2);
            (
                event.g,
                view.message.seq,
                view.message.origin,
                view.message.body.text.clone(),
            )
        })
        .collect();
    let expected = [
        (before + 1, 1, Some(SessionId(8)), "one".to_owned()),
        (before + 2, 2, None, "two".to_owned()),
    ];
    assert_eq!(shown, expected);
    let messages = world.store.rows().messages;
    assert!(messages[0].message.uuid < messages[1].message.uuid);
    assert_eq!(messages[0].sender.external.text, "ann");
    assert_eq!(messages[0].message.created_at, Timestamp(world.now));
}

#[test]
fn a_retry_makes_no_second_message() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let other = world.open(&anybody(), "ann", "cid").conversation.uuid;
    // In the same batch, in a later one, after a restart; also with other words.
    let turn = world.turn(vec![
        (anybody(), send_as(chat, "ann", "hi", "1")),
        (anybody(), send_as(chat, "ann", "hi", "1")),
    ]);
    assert_eq!(turn.effects.len(), 1, "a retry is shown to nobody");
    let results: Vec<_> = turn
        .answers
        .into_iter()
        .map(|(_, outcome)| outcome.result)
        .collect();
    let (first, repeated) = sent(&results[0]);
    assert!(!repeated);
    assert_eq!(sent(&results[1]), (first, true));
    let later = world.one(&anybody(), send_as(chat, "ann", "other words", "1"));
    assert_eq!(sent(&later), (first, true));
    let mut world = world.restart();
    let later = world.one(&anybody(), send_as(chat, "ann", "hi", "1"));
    assert_eq!(sent(&later), (first, true));
    assert_eq!(world.store.rows().messages.len(), 1);
    // Another sender, another conversation, another id, and none are other messages.
    for command in [
        send_as(chat, "bob", "hi", "1"),
        send_as(other, "ann", "hi", "1"),
        send_as(chat, "ann", "hi", "2"),
        send(chat, "ann", "hi"),
        send(chat, "ann", "hi"),
    ] {
        assert!(!sent(&world.one(&anybody(), command)).1);
    }
    assert_eq!(world.store.rows().messages.len(), 6);
}

#[test]
fn a_refused_send_does_not_use_up_its_client_id() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    refusal(world.one(&anybody(), send_as(chat, "ann", " ", "1")));
    assert!(!sent(&world.one(&anybody(), send_as(chat, "ann", "hi", "1"))).1);
}

#[test]
fn apps_do_not_meet() {
    let mut world = World::new();
    let (here, there) = (somebody(1, Some(1)), somebody(2, Some(2)));
    let chat = world.open(&here, "ann", "bob").conversation;
    // The namesakes there are other people, in another conversation.
    let namesakes = world.open(&there, "ann", "bob").conversation;
    assert_ne!(chat.id, namesakes.id);
    let foreign = refusal(world.one(&there, send(chat.uuid, "ann", "hi")));
    assert_eq!(foreign, Refusal::UnknownConversation);
    world.one(&here, send(chat.uuid, "ann", "hi")).unwrap();
}

#[test]
fn what_one_app_asks_in_vain_another_still_finds() {
    let mut world = World::new();
    let (here, there) = (somebody(1, Some(1)), somebody(2, Some(2)));
    let chat = world.open(&here, "ann", "bob").conversation;
    world.one(&there, register("ann")).unwrap();
    // Nothing is cached yet, and the other app asks first.
    let mut world = world.restart();
    let foreign = refusal(world.one(&there, send(chat.uuid, "ann", "hi")));
    assert_eq!(foreign, Refusal::UnknownConversation);
    world.one(&here, send(chat.uuid, "ann", "hi")).unwrap();
}

fn api_key(app: AppId) -> ApiKey {
    ApiKey {
        id: KeyId(0),
        app,
        scope: Scope::Client,
        hash: [1; 32],
        prefix: "pk_".to_owned(),
        created_at: MOMENT.now,
        revoked_at: None,
    }
}

fn create_app(name: &str) -> Command {
    let app = App {
        name: name.to_owned(),
        ..App::clone(&app(0, Identity::Open))
    };
    Command::CreateApp {
        app: Box::new(app),
        keys: vec![api_key(AppId(0)), api_key(AppId(0))],
    }
}

#[test]
fn an_app_gets_its_ids_and_its_keys() {
    let mut world = World::new();
    let operator = somebody(0, None);
    for (name, id) in [("a", 1), ("b", 2)] {
        let Ok(Reply::AppCreated { app }) = world.one(&operator, create_app(name)) else {
            panic!("created");
        };
        assert_eq!((app.id, app.name.as_str()), (AppId(id), name));
    }
    let rows = world.store.rows();
    let keys: Vec<_> = rows.keys.iter().map(|key| (key.id.0, key.app.0)).collect();
    assert_eq!(keys, [(1, 1), (2, 1), (3, 2), (4, 2)]);
}

#[test]
fn names_of_apps_are_unique() {
    let mut world = World::new();
    let operator = somebody(0, None);
    let results = world.all(vec![
        (Arc::clone(&operator), create_app("a")),
        (Arc::clone(&operator), create_app("a")),
    ]);
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().err(), Some(&Refusal::NameTaken));
    let mut world = world.restart();
    assert_eq!(
        refusal(world.one(&operator, create_app("a"))),
        Refusal::NameTaken
    );
    assert_eq!(world.store.rows().apps.len(), 1);
}

#[test]
fn keys_are_made_and_revoked_once() {
    let mut world = World::new();
    let create = Command::CreateKey {
        key: Box::new(api_key(AppId(9))),
    };
    let Ok(Reply::KeyCreated { key }) = world.one(&server(), create) else {
        panic!("created");
    };
    let revoke = |key| Command::RevokeKey { key };
    let unknown = world.refused(&server(), revoke(KeyId(77)));
    assert_eq!(unknown, Refusal::UnknownKey);
    let twice = world.all(vec![(server(), revoke(key)), (server(), revoke(key))]);
    assert!(twice.iter().all(Result::is_ok));
    let at = Timestamp(world.now);
    let commits = world.store.commits();
    world.one(&server(), revoke(key)).unwrap();
    assert_eq!(world.store.commits(), commits, "there was nothing to do");
    let mut world = world.restart();
    world.one(&server(), revoke(key)).unwrap();
    let stored = &world.store.rows().keys[0];
    let own = server().app.id;
    assert_eq!((stored.app, stored.revoked_at), (own, Some(at)));
}

#[test]
fn keys_are_the_business_of_their_apps_servers() {
    let mut world = World::new();
    let create = || Command::CreateKey {
        key: Box::new(api_key(AppId(1))),
    };
    world.one(&server(), create()).unwrap();
    let key = world.store.rows().keys[0].id;
    let elsewhere = Actor {
        app: app(2, Identity::Open),
        ..Actor::clone(&server())
    };
    for actor in [anybody(), verified(Some("ann"))] {
        for command in [create(), Command::RevokeKey { key }] {
            assert_eq!(world.refused(&actor, command), Refusal::NotAllowed);
        }
    }
    let refused = world.refused(&elsewhere.into(), Command::RevokeKey { key });
    assert_eq!(refused, Refusal::UnknownKey);
    assert_eq!(world.store.rows().keys[0].revoked_at, None);
}

#[test]
fn every_refusal_has_a_code_of_its_own_and_words() {
    let refusals = [
        Refusal::Invalid {
            field: "text",
            must: "must be a string",
        },
        Refusal::BlankText,
        Refusal::SamePerson,
        Refusal::TextTooLong { limit: 5 },
        Refusal::UnknownConversation,
        Refusal::UnknownMessage,
        Refusal::UnknownUser,
        Refusal::NotAllowed,
        Refusal::FixedMembers,
        Refusal::Blocked,
        Refusal::TooManyBlocks { limit: 5 },
        Refusal::NotAMember,
        Refusal::MetadataTooLarge { limit: 5 },
        Refusal::Banned { until: None },
        Refusal::SlowMode { wait_seconds: 5 },
        Refusal::FollowersOnly { minutes: 5 },
        Refusal::SubscribersOnly,
        Refusal::EmotesOnly,
        Refusal::AccountTooYoung { minutes: 5 },
        Refusal::PollIsOpen,
        Refusal::NoPoll,
        Refusal::AlreadyVoted,
        Refusal::NothingThere,
        Refusal::Filtered,
        Refusal::HeldForReview,
        Refusal::TooManyFilters { limit: 5 },
        Refusal::TooManyReviews { limit: 5 },
        Refusal::FileTooLarge { limit: 5 },
        Refusal::TooManyMembers { limit: 5 },
        Refusal::TooManyReaders { limit: 5 },
        Refusal::NotIdentified,
        Refusal::TokenRequired,
        Refusal::TokenRefused {
            why: "no".to_owned(),
        },
        Refusal::WrongRole {
            must: "must be \"customer\" or \"vendor\"",
        },
        Refusal::NotPresent,
        Refusal::TokenExpired,
        Refusal::NotTheTokensSubject,
        Refusal::UnknownEvent,
        Refusal::NameTaken,
        Refusal::UnknownKey,
        Refusal::UnknownSession,
        Refusal::Unavailable,
    ];
    let codes: Vec<_> = refusals.iter().map(Refusal::code).collect();
    assert_eq!(codes, Refusal::CODES);
    let words: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert!(words.iter().all(|words| !words.is_empty()));
    assert_eq!(words[0], "text must be a string");
    let payload = Refusal::Invalid {
        field: "",
        must: "must be an object",
    };
    assert_eq!(payload.to_string(), "payload must be an object");
    assert!(words[3].contains('5'));
}
