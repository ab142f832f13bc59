//! What is seen, by whom, and in which part.

use chat::{
    ConversationKind, ConversationRef, Query, Refusal, UserRef, View, command::Destination,
    model::MessageView, query::Before,
};
use uuid::Uuid;

use crate::world::{
    World, about, anybody, block, named, of_product, opened, register, send_to, somebody, unsend,
    verified,
};

fn texts(messages: &[MessageView]) -> Vec<&str> {
    messages
        .iter()
        .map(|view| view.message.body.text.as_str())
        .collect()
}

fn history(conversation: impl Into<ConversationRef>, before: Option<Uuid>) -> Query {
    Query::History {
        conversation: conversation.into(),
        viewer: Some(named("ann")),
        before: before.map(Before::Message),
        offset: 0,
        limit: 2,
    }
}

fn list(user: &str, kind: Option<ConversationKind>, messages: (u64, u32)) -> Query {
    Query::Conversations {
        user: named(user),
        kind,
        offset: 0,
        limit: 9,
        message_offset: messages.0,
        message_limit: messages.1,
    }
}

#[test]
fn a_history_goes_back_from_a_message() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let said: Vec<_> = (0..5)
        .map(|n| world.say(chat, "ann", &n.to_string()))
        .collect();
    let found = |world: &World, before| match world.look(&anybody(), &history(chat, before)) {
        Ok(View::History { messages, .. }) => {
            let texts = texts(&messages);
            texts.into_iter().map(str::to_owned).collect::<Vec<_>>()
        }
        other => panic!("a history, got {other:?}"),
    };
    assert_eq!(found(&world, None), ["3", "4"]);
    assert_eq!(found(&world, Some(said[3])), ["1", "2"]);
    assert_eq!(found(&world, Some(said[1])), ["0"]);
    assert!(found(&world, Some(said[0])).is_empty());
    // A message of another conversation, one that is gone and one that never was are no places.
    let elsewhere = world.group("ann", &[]).conversation.uuid;
    let foreign = world.say(elsewhere, "ann", "x");
    world.one(&anybody(), unsend(said[2], None)).unwrap();
    for before in [foreign, said[2], Uuid::from_u128(6)] {
        let refused = world.look(&anybody(), &history(chat, Some(before)));
        assert_eq!(refused.unwrap_err(), Refusal::UnknownMessage);
    }
    assert_eq!(found(&world, Some(said[4])), ["1", "3"]);
}

#[test]
fn a_conversation_is_found_by_any_of_its_names() {
    let mut world = World::new();
    let direct = world.open(&anybody(), "ann", "bob").conversation;
    let said = world.one(
        &anybody(),
        send_to(about("lamp", "bob", "ann"), named("bob"), "hello"),
    );
    let lamp = opened(&said).unwrap().conversation.clone();
    let look = |world: &World, conversation| {
        let query = Query::Conversation {
            conversation,
            viewer: Some(named("ann")),
        };
        match world.look(&anybody(), &query) {
            Ok(View::Conversation { conversation, .. }) => Ok(conversation.conversation),
            Ok(other) => panic!("a conversation, got {other:?}"),
            Err(refusal) => Err(refusal),
        }
    };
    for (name, due) in [
        (direct.uuid.into(), &direct),
        (
            ConversationRef::OfKind(direct.uuid, ConversationKind::Direct),
            &direct,
        ),
        (ConversationRef::Direct(named("bob"), named("ann")), &direct),
        (lamp.uuid.into(), &lamp),
        (
            ConversationRef::OfKind(lamp.uuid, ConversationKind::Product),
            &lamp,
        ),
        (of_product("lamp", "bob", "ann"), &lamp),
    ] {
        assert_eq!(look(&world, name).as_ref(), Ok(due));
    }
    for nothing in [
        ConversationRef::OfKind(direct.uuid, ConversationKind::Product),
        ConversationRef::OfKind(lamp.uuid, ConversationKind::Direct),
        ConversationRef::Direct(named("ann"), named("cid")),
        of_product("lamp", "ann", "bob"),
        of_product("chair", "bob", "ann"),
    ] {
        assert_eq!(look(&world, nothing), Err(Refusal::UnknownConversation));
    }
    // A third person is told the same.
    world.one(&anybody(), register("eve")).unwrap();
    for conversation in [lamp.uuid.into(), of_product("lamp", "bob", "ann")] {
        let query = Query::Conversation {
            conversation,
            viewer: Some(named("eve")),
        };
        let refused = world.look(&anybody(), &query).unwrap_err();
        assert_eq!(refused, Refusal::UnknownConversation);
    }
}

#[test]
fn a_list_is_of_a_kind_and_has_so_many_messages_of_each() {
    let mut world = World::new();
    let direct = world.open(&anybody(), "ann", "bob").conversation.uuid;
    for text in ["a", "b", "c"] {
        world.say(direct, "bob", text);
    }
    for text in ["1", "2", "3"] {
        let say = send_to(about("lamp", "bob", "ann"), named("bob"), text);
        world.one(&anybody(), say).unwrap();
    }
    world.say(direct, "ann", "d");
    let listed = |kind, messages| match world.look(&anybody(), &list("ann", kind, messages)) {
        Ok(View::Conversations {
            conversations,
            total,
            viewer,
        }) => {
            assert_eq!(viewer.name(), "ann");
            assert_eq!(total, conversations.len() as u64);
            let one = conversations
                .iter()
                .map(|one| texts(&one.messages).concat());
            one.collect::<Vec<_>>()
        }
        other => panic!("conversations, got {other:?}"),
    };
    assert_eq!(listed(None, (0, 1)), ["d", "3"], "the newest first");
    assert_eq!(listed(Some(ConversationKind::Product), (0, 2)), ["23"]);
    assert_eq!(listed(Some(ConversationKind::Direct), (1, 2)), ["bc"]);
    assert!(listed(Some(ConversationKind::Group), (0, 1)).is_empty());
    assert_eq!(listed(None, (0, 0)), ["", ""]);
}

#[test]
fn what_is_ones_own_needs_ones_own_token() {
    let mut world = World::new();
    world.open(&anybody(), "ann", "bob");
    world.one(&anybody(), block("ann", "bob")).unwrap();
    let own = |user: UserRef| {
        [
            Query::Blocks { user: user.clone() },
            Query::Missed {
                user: user.clone(),
                limit: 9,
            },
            Query::Conversations {
                user,
                kind: None,
                offset: 0,
                limit: 9,
                message_offset: 0,
                message_limit: 9,
            },
        ]
    };
    for query in own(named("ann")) {
        world.look(&verified(Some("ann")), &query).unwrap();
        let refused = world.look(&verified(Some("bob")), &query).unwrap_err();
        assert_eq!(refused, Refusal::NotTheTokensSubject);
        let refused = world.look(&verified(None), &query).unwrap_err();
        assert_eq!(refused, Refusal::TokenRequired);
        let refused = world.look(&somebody(2, None), &query).unwrap_err();
        assert_eq!(refused, Refusal::UnknownUser, "another app has its own ann");
    }
    for query in own(UserRef::Subject) {
        world.look(&verified(Some("ann")), &query).unwrap();
        for without in [verified(None), anybody()] {
            let refused = world.look(&without, &query).unwrap_err();
            assert_eq!(refused, Refusal::TokenRequired);
        }
        let refused = world.look(&verified(Some("eve")), &query);
        assert!(refused.is_err(), "nobody is made by looking");
    }
    assert_eq!(world.store.rows().users.len(), 2);
}

#[test]
fn a_conversation_between_the_subject_and_another_is_named_so() {
    let mut world = World::new();
    let ann = verified(Some("ann"));
    let to = Destination::Direct(named("bob"));
    world
        .one(&ann, send_to(to, UserRef::Subject, "hello"))
        .unwrap();
    let query = Query::History {
        conversation: ConversationRef::Direct(UserRef::Subject, named("bob")),
        viewer: Some(UserRef::Subject),
        before: None,
        offset: 0,
        limit: 9,
    };
    let seen = world.look(&ann, &query);
    assert!(matches!(seen, Ok(View::History { messages, .. }) if messages.len() == 1));
    let refused = world.look(&verified(Some("eve")), &query).unwrap_err();
    assert!(
        matches!(refused, Refusal::UnknownConversation),
        "with eve bob has none: {refused:?}"
    );
}
