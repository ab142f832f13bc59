//! Messages to people, not into conversations: what is made for them, and who may write.

use std::sync::Arc;

use chat::{
    Actor, Body, Command, ConversationKind, ConversationRef, Effect, Happening, Identity, Refusal,
    Reply, UserRef, command::Destination, model::Product,
};
use uuid::Uuid;

use crate::{
    model::Failure,
    world::{
        World, about, anybody, app, call, drop_conversation, edit, named, of_product, open, opened,
        refusal, send, send_to, sent, server, shown, verified,
    },
};

fn to(other: &str) -> Destination {
    Destination::Direct(named(other))
}

fn say(to: Destination, sender: &str, text: &str) -> Command {
    send_to(to, named(sender), text)
}

/// The same, under a client id.
fn try_to_say(to: Destination, sender: &str, text: &str, client_id: &str) -> Command {
    Command::Send {
        to,
        sender: named(sender),
        body: Body::text(text),
        client_id: Some(client_id.to_owned()),
    }
}

/// Both kinds: ann writes to bob, and bob is the vendor.
fn both() -> [Destination; 2] {
    [to("bob"), about("lamp", "bob", "ann")]
}

#[test]
fn the_first_message_makes_the_conversation_in_the_same_batch() {
    for to in both() {
        let mut world = World::new();
        let turn = world.turn(vec![(anybody(), say(to.clone(), "ann", "hello"))]);
        assert_eq!(world.store.commits(), 1);
        let result = turn.answers[0].1.result.clone();
        let (message, repeated) = sent(&result);
        assert_eq!((message.seq, repeated), (1, false));
        let stored = world.store.rows().conversations.remove(0);
        assert_eq!(opened(&result), Some(&stored), "as it is stored");
        let people = stored.members.iter().map(|member| member.user.name());
        let [event] = &*shown(&turn) else {
            panic!("one event, got {:?}", turn.effects);
        };
        assert!(
            event
                .people()
                .eq(stored.members.iter().map(|member| member.user.id))
        );
        assert_eq!(people.len(), 2);
        assert!(
            matches!(&event.happening, Happening::MessageSent(view) if view.message == *message)
        );

        // The next one goes into it, also after all was forgotten, and from the other side.
        let more = world.one(&anybody(), say(to.clone(), "ann", "more"));
        assert_eq!((sent(&more).0.seq, opened(&more)), (2, None));
        let mut world = world.restart();
        let back = match &to {
            Destination::Direct(_) => self::to("ann"),
            product => product.clone(),
        };
        let answer = world.one(&anybody(), say(back, "bob", "answer"));
        assert_eq!((sent(&answer).0.seq, opened(&answer)), (3, None));
        assert_eq!(world.store.rows().conversations.len(), 1);
    }
}

#[test]
fn a_product_conversation_is_of_product_vendor_and_customer() {
    let mut world = World::new();
    let lamp = about("lamp", "bob", "ann");
    let Destination::Product { product, .. } = &lamp else {
        unreachable!("it is one");
    };
    let first = world.one(&anybody(), say(lamp.clone(), "ann", "hello"));
    let view = opened(&first).unwrap();
    assert_eq!(view.conversation.kind, ConversationKind::Product);
    assert_eq!(view.details.title.as_deref(), Some("the lamp"));
    assert_eq!(view.details.product.as_ref(), Some(product));
    let order = view.members.iter().map(|member| member.user.name());
    assert!(order.eq(["bob", "ann"]), "the vendor first");
    // Another product, the roles the other way round, another customer: each is its own.
    for other in [
        about("chair", "bob", "ann"),
        about("lamp", "ann", "bob"),
        about("lamp", "bob", "cid"),
        about("Lamp", "bob", "ann"),
    ] {
        let said = world.one(&anybody(), say(other, "bob", "hello"));
        assert!(opened(&said).is_some());
    }
    assert_eq!(world.store.rows().conversations.len(), 5);
    // What it is about stays as it was said first.
    let renamed = Destination::Product {
        vendor: named("bob"),
        customer: named("ann"),
        product: Box::new(Product {
            id: "lamp".to_owned(),
            name: Some("another name".to_owned()),
            ..Product::default()
        }),
    };
    let said = world.one(&anybody(), say(renamed, "bob", "hello"));
    assert_eq!((sent(&said).0.seq, opened(&said)), (2, None));
    assert_eq!(world.view(view.conversation.uuid).details, view.details);
}

#[test]
fn a_refused_message_makes_nothing() {
    let long = "x".repeat(101);
    for to in both() {
        for (text, due) in [
            (" ", Refusal::BlankText),
            (&*long, Refusal::TextTooLong { limit: 100 }),
        ] {
            let mut world = World::new();
            let refused = world.refused(&anybody(), say(to.clone(), "ann", text));
            assert_eq!(refused, due);
            let rows = world.store.rows();
            assert!(rows.users.is_empty() && rows.conversations.is_empty());
        }
    }
    let mut world = World::new();
    for to in [to("ann"), about("lamp", "ann", "ann")] {
        let refused = world.refused(&anybody(), say(to, "ann", "to myself"));
        assert_eq!(refused, Refusal::SamePerson);
    }
    // Nor does one whose commit fails.
    world.store.fail_next_commit(Failure::RolledBack);
    let turn = world.turn(vec![(anybody(), say(to("bob"), "ann", "hello"))]);
    assert!(turn.failed);
    let again = world.one(&anybody(), say(to("bob"), "ann", "hello"));
    assert!(opened(&again).is_some());
    assert_eq!(world.store.rows().users.len(), 2);
}

#[test]
fn only_the_vendor_and_the_customer_write() {
    let mut world = World::new();
    let lamp = || about("lamp", "bob", "ann");
    let before = world.refused(&anybody(), say(lamp(), "eve", "hello"));
    assert!(world.store.rows().users.is_empty());
    let first = world.one(&anybody(), say(lamp(), "ann", "hello"));
    let uuid = opened(&first).unwrap().conversation.uuid;
    let after = world.refused(&anybody(), say(lamp(), "eve", "hello"));
    // Whether there is such a conversation, a third person is not told.
    assert_eq!((before, after), (Refusal::NotAllowed, Refusal::NotAllowed));
    world.one(&anybody(), call("eve", "Eve")).unwrap();
    for to in [
        uuid.into(),
        Destination::Conversation(of_product("lamp", "bob", "ann")),
        Destination::Conversation(ConversationRef::OfKind(uuid, ConversationKind::Product)),
    ] {
        let refused = world.refused(&anybody(), say(to, "eve", "hello"));
        assert_eq!(refused, Refusal::UnknownConversation);
    }
    // Each of the two does, by any of its names.
    for to in [
        uuid.into(),
        Destination::Conversation(of_product("lamp", "bob", "ann")),
        Destination::Conversation(ConversationRef::OfKind(uuid, ConversationKind::Product)),
    ] {
        for sender in ["ann", "bob"] {
            let said = world.one(&anybody(), say(to.clone(), sender, "hello"));
            assert!(opened(&said).is_none());
        }
    }
    let message = sent(&first).0.uuid;
    let refused = world.refused(&anybody(), edit(message, "mine", Some("eve")));
    assert_eq!(refused, Refusal::UnknownMessage);
    let refused = world.refused(&anybody(), edit(message, "mine", Some("bob")));
    assert_eq!(refused, Refusal::NotAllowed);
    // Nobody comes in or goes, and neither may delete it for both.
    for command in [
        crate::world::add(uuid, "eve", Some("bob")),
        crate::world::remove(uuid, "ann", Some("ann")),
    ] {
        let refused = world.refused(&anybody(), command);
        assert_eq!(refused, Refusal::FixedMembers);
    }
    let refused = world.refused(&anybody(), drop_conversation(uuid, Some("bob")));
    assert_eq!(refused, Refusal::NotAllowed);
    world.one(&server(), drop_conversation(uuid, None)).unwrap();
}

#[test]
fn a_conversation_has_the_kind_by_which_it_is_named() {
    let mut world = World::new();
    let direct = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let made = world.group("ann", &["bob"]).conversation.uuid;
    let kinds = [ConversationKind::Direct, ConversationKind::Group];
    for (uuid, kind) in [direct, made].into_iter().zip(kinds) {
        for named in [
            ConversationKind::Direct,
            ConversationKind::Group,
            ConversationKind::Product,
        ] {
            let to = Destination::Conversation(ConversationRef::OfKind(uuid, named));
            let said = world.one(&anybody(), say(to, "ann", "hello"));
            assert_eq!(
                said.err(),
                (named != kind).then_some(Refusal::UnknownConversation)
            );
        }
    }
    // By what makes it unique it is found, and never made.
    let known = Destination::Conversation(ConversationRef::Direct(named("bob"), named("ann")));
    assert_eq!(
        sent(&world.one(&anybody(), say(known, "ann", "x"))).0.seq,
        2
    );
    for nothing in [
        ConversationRef::Direct(named("ann"), named("cid")),
        of_product("lamp", "ann", "bob"),
        ConversationRef::Opened,
    ] {
        let to = Destination::Conversation(nothing);
        let refused = world.refused(&anybody(), say(to, "ann", "x"));
        assert_eq!(refused, Refusal::UnknownConversation);
    }
    assert_eq!(world.store.rows().users.len(), 2);
}

#[test]
fn a_retry_is_answered_as_the_first_try_was() {
    for to in both() {
        let mut world = World::new();
        let first = || try_to_say(to.clone(), "ann", "hello", "a");
        let second = || try_to_say(to.clone(), "ann", "more", "b");
        // In the same batch, in the next one, and after a restart.
        let results = world.all(vec![
            (anybody(), first()),
            (anybody(), first()),
            (anybody(), second()),
        ]);
        let (made, is_repeated) = sent(&results[0]);
        assert!(!is_repeated && opened(&results[0]).is_some());
        let mut repeated = vec![results[1].clone(), world.one(&anybody(), first())];
        let mut world = world.restart();
        repeated.push(world.one(&anybody(), first()));
        for again in &repeated {
            assert_eq!(sent(again), (made, true));
            let place = opened(again).expect("it opened the conversation then");
            assert_eq!(
                place.conversation,
                opened(&results[0]).unwrap().conversation
            );
        }
        let again = world.one(&anybody(), second());
        assert_eq!((sent(&again).0.seq, sent(&again).1), (2, true));
        assert_eq!(opened(&again), None);
        assert_eq!(world.store.rows().messages.len(), 2);
        // The same id of the other one is another message.
        let Some(place) = world.store.rows().conversations.pop() else {
            panic!("it is there");
        };
        let other = try_to_say(place.conversation.uuid.into(), "bob", "mine", "a");
        assert!(!sent(&world.one(&anybody(), other)).1);
        // By the name of the conversation nothing is said to have been opened.
        let again = try_to_say(place.conversation.uuid.into(), "ann", "hello", "a");
        let again = world.one(&anybody(), again);
        assert_eq!((sent(&again), opened(&again)), ((made, true), None));
    }
}

#[test]
fn a_conversation_in_which_nothing_was_said_is_opened_by_the_first_message() {
    let mut world = World::new();
    let empty = world.open(&anybody(), "ann", "bob").conversation;
    world.one(&anybody(), call("bob", "Bob")).unwrap();
    let said = world.one(&anybody(), say(to("bob"), "ann", "hello"));
    let view = opened(&said).unwrap();
    assert_eq!(
        (&view.conversation, view.last_seq, view.messages),
        (&empty, 1, 1)
    );
    assert_eq!(view.last_message_at, Some(sent(&said).0.created_at));
    let names = view.members.iter().map(|member| member.user.name());
    assert!(names.eq(["ann", "Bob"]), "as they are now");
}

#[test]
fn a_message_about_a_product_says_whether_the_other_was_there() {
    let mut world = World::new();
    world.comes("ann");
    let lamp = || about("lamp", "bob", "ann");
    let online = |world: &mut World, to, sender| {
        let said = world.one(&anybody(), say(to, sender, "hello"));
        sent(&said).0.recipient_online
    };
    assert_eq!(online(&mut world, lamp(), "ann"), Some(false), "bob is not");
    assert_eq!(online(&mut world, lamp(), "bob"), Some(true));
    world.comes("bob");
    assert_eq!(online(&mut world, lamp(), "ann"), Some(true));
    let uuid = world.store.rows().conversations[0].conversation.uuid;
    assert_eq!(online(&mut world, uuid.into(), "ann"), Some(true));
    assert_eq!(online(&mut world, to("bob"), "ann"), None);
    let all = world.group("ann", &["bob"]).conversation.uuid;
    assert_eq!(online(&mut world, all.into(), "ann"), None);
}

fn of(subject: Option<&str>, identity: Identity) -> Arc<Actor> {
    Arc::new(Actor {
        app: app(1, identity),
        ..Actor::clone(&verified(subject))
    })
}

#[test]
fn the_subject_is_whom_the_token_proves() {
    for identity in [Identity::Open, Identity::Verified] {
        let mut world = World::new();
        let ann = of(Some("customer:1"), identity);
        let lamp = |customer| Destination::Product {
            vendor: named("vendor:1"),
            customer,
            product: Box::default(),
        };
        // Named in two ways, it is one person; made at first mention.
        let said = world.one(
            &ann,
            send_to(lamp(named("customer:1")), UserRef::Subject, "hello"),
        );
        assert_eq!(opened(&said).unwrap().members.len(), 2);
        let said = world.one(
            &ann,
            send_to(lamp(UserRef::Subject), UserRef::Subject, "more"),
        );
        assert_eq!(sent(&said).0.seq, 2);
        let said = world.one(
            &ann,
            send_to(lamp(UserRef::Subject), named("customer:1"), "more"),
        );
        assert_eq!(sent(&said).0.seq, 3);
        assert_eq!(world.store.rows().users.len(), 2);
        let myself = send_to(
            Destination::Direct(UserRef::Subject),
            named("customer:1"),
            "me",
        );
        assert_eq!(world.refused(&ann, myself), Refusal::SamePerson);
        // Somebody else's token is somebody else.
        let eve = of(Some("customer:2"), identity);
        let refused = world.refused(
            &eve,
            send_to(lamp(named("customer:1")), UserRef::Subject, "x"),
        );
        assert_eq!(refused, Refusal::NotAllowed);
        let direct = send_to(
            Destination::Direct(named("customer:1")),
            UserRef::Subject,
            "x",
        );
        assert!(opened(&world.one(&eve, direct)).is_some());
        // Without a token nobody is.
        for command in [
            send_to(lamp(UserRef::Subject), UserRef::Subject, "x"),
            send_to(to("bob"), UserRef::Subject, "x"),
            Command::CollectMissed {
                user: UserRef::Subject,
            },
            Command::Register {
                user: UserRef::Subject,
                dialect: "pair",
                alone: true,
            },
        ] {
            let refused = world.refused(&of(None, identity), command);
            assert_eq!(refused, Refusal::TokenRequired);
        }
    }
    // Whom a token proves does not make others of him either.
    let mut world = World::new();
    let bob = verified(Some("bob"));
    for to in both() {
        let refused = world.refused(&bob, say(to, "ann", "hello"));
        assert_eq!(refused, Refusal::NotTheTokensSubject);
    }
}

#[test]
fn a_message_to_who_was_deleted_begins_anew() {
    let mut world = World::new();
    let first = world.one(&anybody(), say(to("bob"), "ann", "hello"));
    let old = opened(&first).unwrap().conversation.uuid;
    world
        .one(&anybody(), crate::world::delete_user("bob"))
        .unwrap();
    assert_eq!(
        refusal(world.one(&anybody(), send(old, "ann", "there?"))),
        Refusal::UnknownUser
    );
    let next = world.one(&anybody(), say(to("bob"), "ann", "hello"));
    assert_ne!(opened(&next).unwrap().conversation.uuid, old);
}

#[test]
fn an_opened_conversation_needs_no_listener() {
    let mut world = World::new();
    let turn = world.turn(vec![(anybody(), say(to("bob"), "ann", "hello"))]);
    let listens = |effect: &Effect| matches!(effect, Effect::Subscribe(_));
    assert!(!turn.effects.iter().any(listens));
    let Ok(Reply::Opened { conversation, .. }) = world.one(&anybody(), open("ann", "bob")) else {
        panic!("opened");
    };
    assert_eq!(
        (
            conversation.messages,
            Uuid::is_nil(&conversation.conversation.uuid)
        ),
        (1, false)
    );
}
