//! Messages after they are sent: edits, deletions, receipts; files and metadata; and who is writing.

use std::sync::Arc;

use chat::{
    Body, Command, ConversationKind, ConversationRef, Effect, Happening, Media, MessageView,
    Refusal, Reply, SessionId, Timestamp, command::BodyPatch, decide::MAX_METADATA, event::Sign,
    model::MediaKind,
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{
    World, add, anybody, edit, metadata, named, read, register, remove, send, send_as, sent,
    server, shown, somebody, typing, unsend, verified,
};

/// A message that nobody knows.
const NOTHING: Uuid = Uuid::from_u128(6);

fn picture() -> Media {
    Media {
        name: "unguessable.png".to_owned(),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: 7,
        title: None,
        thumbnail: None,
    }
}

fn patch(message: Uuid, patch: BodyPatch) -> Command {
    Command::EditMessage {
        message,
        by: None,
        patch,
    }
}

fn edited(result: Result<Reply, Refusal>) -> Arc<MessageView> {
    match result {
        Ok(Reply::Edited { message }) => message,
        other => panic!("edited, got {other:?}"),
    }
}

/// The message as stored.
fn stored(world: &World, uuid: Uuid) -> Arc<MessageView> {
    let mut all = world.store.rows().messages.into_iter();
    all.find(|view| view.message.uuid == uuid).unwrap()
}

fn write(conversation: Uuid, body: Body) -> Command {
    Command::Send {
        to: conversation.into(),
        sender: named("ann"),
        body,
        client_id: None,
    }
}

#[test]
fn a_message_says_something_or_has_a_file() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let with_file = |text: &str| Body {
        media: vec![picture()],
        ..Body::text(text)
    };
    for text in ["", " ", "look"] {
        let said = world.one(&anybody(), write(chat, with_file(text)));
        assert_eq!(sent(&said).0.body, with_file(text));
    }
    let too_long = world.refused(&anybody(), write(chat, with_file(&"x".repeat(101))));
    assert_eq!(too_long, Refusal::TextTooLong { limit: 100 });
    // The file stays, so the text may go; without one it may not.
    let message = world.one(&anybody(), write(chat, with_file("look")));
    let message = sent(&message).0.uuid;
    let gone = edited(world.one(&anybody(), edit(message, "", None)));
    assert_eq!(gone.message.body, with_file(""));
    let plain = world.say(chat, "ann", "hi");
    let refused = world.refused(&anybody(), edit(plain, " ", None));
    assert_eq!(refused, Refusal::BlankText);
    let refused = world.refused(&anybody(), edit(plain, &"x".repeat(101), None));
    assert_eq!(refused, Refusal::TextTooLong { limit: 100 });
}

#[test]
fn what_is_kept_with_a_message_is_merged_and_has_a_limit() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let body = |json| Body {
        metadata: Some(metadata(json)),
        ..Body::text("hi")
    };
    let limit = MAX_METADATA;
    let huge = json!({"a": "x".repeat(limit)});
    let refused = world.refused(&anybody(), write(chat, body(huge.clone())));
    assert_eq!(refused, Refusal::MetadataTooLarge { limit });
    let said = world.one(
        &anybody(),
        write(chat, body(json!({"a": 1, "b": 2, "c": null}))),
    );
    let message = sent(&said).0;
    let kept = metadata(json!({"a": 1, "b": 2}));
    assert_eq!(message.body.metadata, Some(kept));
    let message = message.uuid;
    let more = |json| BodyPatch {
        metadata: Some(metadata(json)),
        ..BodyPatch::default()
    };
    let refused = world.refused(&anybody(), patch(message, more(huge)));
    assert_eq!(refused, Refusal::MetadataTooLarge { limit });
    let changed = patch(message, more(json!({"a": null, "b": {"d": 4}})));
    let changed = edited(world.one(&anybody(), changed));
    let merged = metadata(json!({"b": {"d": 4}}));
    assert_eq!(
        changed.message.body,
        Body {
            metadata: Some(merged),
            ..Body::text("hi")
        }
    );
}

#[test]
fn an_edit_keeps_the_messages_place_and_is_shown_at_its_own() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let said = world.one(&somebody(1, Some(7)), send_as(chat, "ann", "teh", "1"));
    let first = sent(&said).0.clone();
    let turn = world.turn(vec![(
        somebody(1, Some(8)),
        edit(first.uuid, "the", Some("ann")),
    )]);
    let after = stored(&world, first.uuid);
    let expected = chat::Message {
        body: Body::text("the"),
        edited_at: Some(Timestamp(world.now)),
        ..first
    };
    assert_eq!(after.message, expected);
    let event = &shown(&turn)[0];
    assert_eq!(event.g, turn.last_g);
    assert!(event.g > expected.g);
    assert_eq!(
        (event.at, event.origin),
        (Timestamp(world.now), Some(SessionId(8)))
    );
    assert_eq!(event.happening, Happening::MessageEdited(after));
    assert_eq!(event.people().count(), 2);
    let view = world.view(chat);
    assert_eq!((view.last_g, view.last_seq, view.messages), (event.g, 2, 1));
    assert_eq!(view.last_message_at, Some(expected.created_at));
}

#[test]
fn a_deletion_is_shown_and_leaves_nothing() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let message = world.say(chat, "ann", "oops");
    let turn = world.turn(vec![(somebody(1, Some(8)), unsend(message, Some("ann")))]);
    let event = &shown(&turn)[0];
    let by = event.scene.members.first().map(|ann| ann.user.id);
    assert_eq!(event.happening, Happening::MessageDeleted { message, by });
    assert_eq!((event.g, event.origin), (turn.last_g, Some(SessionId(8))));
    let view = world.view(chat);
    assert_eq!((view.last_g, view.last_seq, view.messages), (event.g, 2, 0));
    for command in [
        unsend(message, Some("ann")),
        edit(message, "again", None),
        read(message, "bob"),
    ] {
        let refused = world.refused(&anybody(), command);
        assert_eq!(refused, Refusal::UnknownMessage);
    }
}

#[test]
fn a_message_is_deleted_in_the_conversation_that_is_named() {
    let mut world = World::new();
    let [chat, other] = ["bob", "cho"].map(|to| world.open(&anybody(), "ann", to));
    let message = world.say(chat.conversation.uuid, "ann", "oops");
    let unsend_in = |within| Command::DeleteMessage {
        message,
        within: Some(within),
        by: Some(named("ann")),
    };
    for within in [
        ConversationRef::Uuid(other.conversation.uuid),
        ConversationRef::Direct(named("ann"), named("cho")),
        ConversationRef::Direct(named("ann"), named("nobody")),
        ConversationRef::OfKind(chat.conversation.uuid, ConversationKind::Product),
    ] {
        let refused = world.refused(&anybody(), unsend_in(within));
        assert_eq!(refused, Refusal::UnknownMessage);
    }
    let within = ConversationRef::Direct(named("bob"), named("ann"));
    world.one(&anybody(), unsend_in(within)).unwrap();
    assert_eq!(world.view(chat.conversation.uuid).messages, 0);
}

#[test]
fn only_its_author_and_the_app_itself_change_a_message() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    world.one(&anybody(), register("eve")).unwrap();
    let message = world.say(club, "bob", "hi");
    let wants: [fn(Uuid, Option<&str>) -> Command; 2] =
        [|message, by| edit(message, "changed", by), unsend];
    for want in wants {
        // The owner of the group is no more than others here.
        let refused = world.refused(&anybody(), want(message, Some("ann")));
        assert_eq!(refused, Refusal::NotAllowed);
        let refused = world.refused(&verified(Some("ann")), want(message, None));
        assert_eq!(refused, Refusal::NotAllowed);
        for message in [message, NOTHING] {
            let refused = world.refused(&anybody(), want(message, Some("eve")));
            assert_eq!(refused, Refusal::UnknownMessage);
            let refused = world.refused(&verified(Some("eve")), want(message, None));
            assert_eq!(refused, Refusal::UnknownMessage);
            let refused = world.refused(&somebody(2, None), want(message, None));
            assert_eq!(refused, Refusal::UnknownMessage);
            let refused = world.refused(&verified(Some("eve")), want(message, Some("bob")));
            assert_eq!(refused, Refusal::NotTheTokensSubject);
            let refused = world.refused(&verified(None), want(message, None));
            assert_eq!(refused, Refusal::TokenRequired);
        }
    }
    for actor in [anybody(), server(), verified(Some("bob"))] {
        world.one(&actor, edit(message, "changed", None)).unwrap();
    }
    world.one(&server(), unsend(message, None)).unwrap();
    // Who was put out has no say about what is left there.
    let message = world.say(club, "bob", "bye");
    world.one(&anybody(), remove(club, "bob", None)).unwrap();
    let refused = world.refused(&anybody(), edit(message, "back", Some("bob")));
    assert_eq!(refused, Refusal::UnknownMessage);
}

#[test]
fn one_batch_sends_edits_reads_and_deletes() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let first = world.say(chat, "ann", "first");
    // The ids of messages are given by the writer, so the batch works on the first one.
    let turn = world.turn(vec![
        (anybody(), edit(first, "second", Some("ann"))),
        (anybody(), send(chat, "bob", "yes?")),
        (anybody(), read(first, "bob")),
        (anybody(), edit(first, "third", Some("ann"))),
        (anybody(), unsend(first, Some("ann"))),
        (anybody(), edit(first, "fourth", Some("ann"))),
        (anybody(), read(first, "bob")),
        (anybody(), send(chat, "ann", "nothing")),
    ]);
    let unknown = Some(Refusal::UnknownMessage);
    let refusals: Vec<_> = turn
        .answers
        .iter()
        .map(|(_, outcome)| outcome.result.as_ref().err().cloned())
        .collect();
    let expected = [None, None, None, None, None, unknown.clone(), unknown, None];
    assert_eq!(refusals, expected);
    let events = shown(&turn);
    let seen: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.happening {
            Happening::MessageEdited(view) => Some((view.message.body.text.clone(), view.seen)),
            _ => None,
        })
        .collect();
    assert_eq!(
        seen,
        [("second".to_owned(), false), ("third".to_owned(), true)]
    );
    let view = world.view(chat);
    assert_eq!((view.last_seq, view.messages), (7, 2));
    let places: Vec<_> = events.iter().map(|event| event.g).collect();
    assert!(places.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_message_of_this_batch_is_known_to_what_follows() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    // A twin of the world gives the same ids, so it tells that of a message before it is sent.
    let mut twin = World::new();
    twin.open(&anybody(), "ann", "bob");
    let message = twin.say(chat, "ann", "hi");
    let results = world.all(vec![
        (anybody(), send_as(chat, "ann", "hi", "1")),
        (anybody(), edit(message, "ho", Some("ann"))),
        (anybody(), send_as(chat, "ann", "hi", "1")),
        (anybody(), read(message, "bob")),
        (anybody(), unsend(message, None)),
        (anybody(), edit(message, "hu", Some("ann"))),
    ]);
    let (first, _) = sent(&results[0]);
    assert_eq!(first.uuid, message, "the twin is one");
    let (again, repeated) = sent(&results[2]);
    assert!(repeated);
    assert_eq!(again.body.text, "ho", "a retry is told how it is now");
    assert_eq!(results[5].as_ref().err(), Some(&Refusal::UnknownMessage));
    assert!(world.store.rows().messages.is_empty());
    assert_eq!(world.view(chat).messages, 0);
}

#[test]
fn reading_goes_up_to_a_message_and_never_back() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let first = world.say(chat, "ann", "one");
    let second = world.say(chat, "ann", "two");
    let turn = world.turn(vec![(somebody(1, Some(8)), read(second, "bob"))]);
    let event = &shown(&turn)[0];
    let bob = world.user("bob");
    let happening = Happening::Read {
        reader: Arc::clone(&bob),
        message: second,
    };
    assert_eq!(event.happening, happening);
    assert_eq!((event.g, event.origin), (turn.last_g, Some(SessionId(8))));
    assert_eq!(event.people().count(), 2);
    let rows = world.store.rows();
    assert_eq!(rows.reads, [(event.scene.conversation.id, bob.id, 2)]);
    // All before it are read with it.
    let commits = world.store.commits();
    for message in [first, second] {
        let turn = world.turn(vec![(anybody(), read(message, "bob"))]);
        assert!(turn.answers[0].1.result.is_ok() && turn.effects.is_empty());
    }
    assert_eq!(world.store.commits(), commits, "there was nothing to do");
    let mut world = world.restart();
    world.one(&anybody(), read(first, "bob")).unwrap();
    assert_eq!(world.store.commits(), commits, "nor after a restart");
}

#[test]
fn only_members_read() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let message = world.say(club, "ann", "hi");
    world.one(&anybody(), register("eve")).unwrap();
    for (message, reader) in [
        (message, "eve"),
        (message, "nobody"),
        (NOTHING, "bob"),
        (NOTHING, "nobody"),
    ] {
        let refused = world.refused(&anybody(), read(message, reader));
        assert_eq!(refused, Refusal::UnknownMessage);
    }
    let refused = world.refused(&somebody(2, None), read(message, "bob"));
    assert_eq!(refused, Refusal::UnknownMessage);
    let refused = world.refused(&verified(Some("eve")), read(message, "bob"));
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    let refused = world.refused(&verified(None), read(message, "bob"));
    assert_eq!(refused, Refusal::TokenRequired);
    world
        .one(&verified(Some("bob")), read(message, "bob"))
        .unwrap();
    // Who is put out and taken in again begins to read anew.
    let results = world.all(vec![
        (anybody(), remove(club, "bob", None)),
        (anybody(), read(message, "bob")),
        (anybody(), add(club, "bob", None)),
        (anybody(), read(message, "bob")),
    ]);
    assert_eq!(results[1].as_ref().err(), Some(&Refusal::UnknownMessage));
    assert!(results[3].is_ok());
    let reads = world.store.rows().reads;
    assert_eq!(reads.len(), 2, "the second one is a receipt of its own");
}

#[test]
fn nobody_has_seen_a_message_whom_only_its_author_read() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let message = world.say(chat, "ann", "hi");
    let seen = |world: &mut World, reader| {
        let turn = world.turn(vec![
            (anybody(), read(message, reader)),
            (anybody(), edit(message, "ho", None)),
        ]);
        let edit = shown(&turn).pop().unwrap();
        match &edit.happening {
            Happening::MessageEdited(view) => view.seen,
            other => panic!("an edit, got {other:?}"),
        }
    };
    assert!(!seen(&mut world, "ann"));
    assert!(seen(&mut world, "bob"));
}

#[test]
fn who_writes_is_told_and_leaves_no_trace() {
    let mut world = World::new();
    let view = world.open(&anybody(), "ann", "bob");
    let chat = view.conversation.uuid;
    let (commits, last_g) = (world.store.commits(), world.executor.last_g());
    let turn = world.turn(vec![(somebody(1, Some(8)), typing(chat, "ann"))]);
    let [Effect::Pass(passing)] = &*turn.effects else {
        panic!("something that passes, got {:?}", turn.effects);
    };
    assert_eq!(passing.scene.conversation, view.conversation);
    assert_eq!(passing.origin, Some(SessionId(8)));
    assert_eq!(passing.user.external.text, "ann");
    assert_eq!(passing.sign, Sign::Writing);
    assert_eq!((world.store.commits(), turn.last_g), (commits, last_g));
    for (conversation, user) in [(chat, "eve"), (NOTHING, "ann"), (NOTHING, "eve")] {
        let refused = world.refused(&anybody(), typing(conversation, user));
        assert_eq!(refused, Refusal::UnknownConversation);
    }
    let refused = world.refused(&verified(Some("bob")), typing(chat, "ann"));
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    assert_eq!(world.store.rows().users.len(), 2, "and makes nobody");
}
