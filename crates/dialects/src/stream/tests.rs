//! What needs no conversation to be tested; conversations are in `transcripts/`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use chat::{
    Body, Command, ConversationKind, ConversationRef, ConversationView, Event, ExternalId,
    MessageView, Refusal, Timestamp, User, UserId,
    event::{Happening, RoomHappening},
    model::{Conversation, Member, MemberRole, Metadata, Quote},
    query::RoomView,
    room::{
        Badge, Livestream, Modes, Pin, Poll, PollOption, Room, RoomName, RoomNews, RoomNumbers,
    },
};
use kicksdk::{
    events::{KickEvent, parse},
    website,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Stream, objects,
    pages::{Channel, Chatroom, History},
};
use crate::{
    Answered, Audience, Dialect, Emit, Request, Stage,
    sample::{self, incoming, seat, site, stage},
};

const D: &str = "00000000-0000-0000-0000-00000000000d";
/// Of what happens as number 9 in the room that ends in `c`.
const E: &str = "00000000-0000-8000-8000-000000000005";
const FIELDS: &[&str] = &["channelName", "chatroomId"];

fn read(name: &str, payload: &Value) -> Result<Request, Refusal> {
    Stream.read(&seat(), &incoming(name, &[&payload.to_string()]))
}

#[test]
fn claims_its_two_events() {
    for name in ["subscribe", "unsubscribe"] {
        assert!(Stream.claims(&incoming(name, &[])), "{name}");
    }
    for name in ["Subscribe", "message", r"App\Events\ChatMessageEvent", ""] {
        let event = incoming(name, &[]);
        assert!(!Stream.claims(&event), "{name}");
        let refused = Stream.read(&seat(), &event).unwrap_err();
        assert_eq!(refused, Refusal::UnknownEvent);
    }
}

#[test]
fn only_the_id_counts_and_the_name_is_for_show() {
    for (payload, spelling) in [
        (
            json!({"channelName": "xQc", "chatroomId": "668"}),
            Some("xQc"),
        ),
        (
            json!({"channelName": "xQc", "chatroomId": 668}),
            Some("xQc"),
        ),
        (json!({"chatroomId": "668"}), None),
        (json!({"channelName": null, "chatroomId": "668"}), None),
    ] {
        let request = read("subscribe", &payload).unwrap();
        assert!(!request.needs_identity && request.credential.is_none());
        let Some(Command::Join {
            conversation,
            by: None,
            spelling: given,
            dialect: "stream",
        }) = request.command
        else {
            panic!("{payload}");
        };
        assert_eq!(conversation, ConversationRef::Room(RoomName::Chatroom(668)));
        assert_eq!(given.as_deref(), spelling);
        let request = read("unsubscribe", &payload).unwrap();
        assert!(matches!(
            request.command,
            Some(Command::Leave {
                conversation: ConversationRef::Room(RoomName::Chatroom(668)),
                dialect: "stream",
            })
        ));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let must_be_id = "chatroomId must be a whole number, or its digits in a string";
    let must_be_name = "channelName must be a string of 1 to 100 bytes";
    let must_be_object = "payload must be an object with channelName and chatroomId";
    for (payload, words) in [
        (json!({"channelName": "xqc"}), "chatroomId is missing"),
        (
            json!({"channelName": "xqc", "chatroomId": null}),
            must_be_id,
        ),
        (
            json!({"channelName": "xqc", "chatroomId": "xqc"}),
            must_be_id,
        ),
        (json!({"channelName": "xqc", "chatroomId": 1.5}), must_be_id),
        (json!({"channelName": "", "chatroomId": 1}), must_be_name),
        (
            json!({"channelName": "x".repeat(101), "chatroomId": 1}),
            must_be_name,
        ),
        (
            json!({"channelName": 7, "chatroomId": 1}),
            "channelName must be a string",
        ),
        (json!("668"), must_be_object),
        (json!([]), must_be_object),
    ] {
        assert_eq!(read("subscribe", &payload).unwrap_err().to_string(), words);
    }
    let bare = Stream.read(&seat(), &incoming("unsubscribe", &[]));
    assert_eq!(bare.unwrap_err().to_string(), must_be_object);
}

#[test]
fn a_yes_is_acknowledged_and_a_no_is_told_too() {
    let answered = Answered {
        reply: None,
        view: None,
    };
    let yes = Stream.answer(&site(), None, Ok(&answered));
    assert_eq!(
        (yes.events, yes.ack.as_str()),
        (vec![], r#"{"success":true}"#)
    );
    for (refusal, words) in [
        (
            Refusal::UnknownConversation,
            "chatroomId is not a room here",
        ),
        (
            Refusal::TokenRequired,
            "this room is private: connect with auth.token",
        ),
        (Refusal::UnknownEvent, "no such event here"),
    ] {
        let no = Stream.answer(&site(), None, Err(&refusal));
        let code = refusal.code();
        assert_eq!(
            no.events,
            vec![Emit {
                name: "error".into(),
                args: format!(r#"{{"message":"{words}","code":"{code}"}}"#),
            }]
        );
        let ack = format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{words}"}}}}"#);
        assert_eq!(no.ack, ack);
    }
}

/// Owns the room `robin_k`.
fn robin() -> Arc<User> {
    let mut user = User::clone(&sample::user(1, ExternalId::text("robin")));
    user.profile.name = Some("Robin_K".to_owned());
    let color = [("color".to_owned(), json!("#FF9D00"))];
    user.profile.metadata = Some(Metadata(color.into_iter().collect()));
    user.into()
}

fn mika() -> Arc<User> {
    sample::user(2, ExternalId::text("Mika"))
}

/// A room with an owner and nobody else, in this state.
fn room(state: Room) -> ConversationView {
    let mut place = sample::conversation(ConversationKind::Room, &[]);
    let owner = Member {
        user: robin(),
        role: MemberRole::Owner,
    };
    place.members = [owner].into();
    place.conversation = Arc::new(Conversation {
        key: Some("robin_k".to_owned()),
        numbers: Some(RoomNumbers {
            channel: 676,
            chatroom: 668,
        }),
        ..Conversation::clone(&place.conversation)
    });
    let mut details = chat::model::Details::clone(&place.details);
    details.title = Some("Robin plays".to_owned());
    details.room = Some(Arc::new(state));
    place.details = Arc::new(details);
    place
}

fn said(body: Body) -> MessageView {
    sample::message(&room(Room::default()), &mika(), body)
}

fn event(happening: Happening) -> Event {
    sample::event(&room(Room::default()), happening)
}

fn happened(happening: RoomHappening) -> Event {
    event(Happening::Room(happening))
}

fn news(news: RoomNews) -> Event {
    happened(RoomHappening::News(news.into()))
}

/// What readers are told who call the room `xQc`, and what that is to a client of that network.
fn shown(event: &Event) -> (String, String, KickEvent) {
    let stage = Stage {
        spelling: Some("xQc"),
        ..stage(Audience::Conversation)
    };
    let mut shown = Stream.show(&stage, event);
    assert_eq!(shown.len(), 1);
    let Emit { name, args } = shown.remove(0).emit;
    let read = parse(&name, &serde_json::from_str(&args).unwrap());
    (name.into_owned(), args, read)
}

const MIKA: &str = r#"{"id":2,"username":"Mika","slug":"mika"}"#;
const ROBIN: &str = r#"{"id":1,"username":"Robin_K","slug":"robin-k"}"#;
const MIKA_WRITES: &str =
    r##"{"id":2,"username":"Mika","slug":"mika","identity":{"color":"#B9770E","badges":[]}}"##;

#[test]
fn a_message_stands_at_top_level_with_a_copy_of_its_badges() {
    let mut view = said(Body::text("gg [emote:37221:EZ]"));
    view.sender = robin();
    view.message.badges = vec![
        Badge {
            kind: "broadcaster".to_owned(),
            text: "Broadcaster".to_owned(),
            count: None,
        },
        Badge {
            kind: "subscriber".to_owned(),
            text: "Subscriber".to_owned(),
            count: Some(7),
        },
    ];
    let metadata = [("message_ref".to_owned(), json!("1763657110123"))];
    view.message.body.metadata = Some(Metadata(metadata.into_iter().collect()));
    let (name, args, read) = shown(&event(Happening::MessageSent(view.into())));
    let badges = r#"[{"type":"broadcaster","text":"Broadcaster"},{"type":"subscriber","text":"Subscriber","count":7}]"#;
    assert_eq!(name, r"App\Events\ChatMessageEvent");
    assert_eq!(
        args,
        format!(
            r##"{{"id":"{D}","chatroom_id":668,"content":"gg [emote:37221:EZ]","type":"message","created_at":"2023-11-14T22:13:20+00:00","sender":{{"id":1,"username":"Robin_K","slug":"robin-k","identity":{{"color":"#FF9D00","badges":{badges}}}}},"metadata":{{"message_ref":"1763657110123"}},"channel_name":"xQc","badges":{badges}}}"##
        )
    );
    let KickEvent::ChatMessage(message) = read else {
        panic!("{read:?}");
    };
    assert_eq!(message.sender.username, "Robin_K");
    assert_eq!(message.sender.badges[1].count, Some(7));
    assert_eq!(message.message_ref.as_deref(), Some("1763657110123"));
}

#[test]
fn a_reply_names_what_it_answers_whatever_its_sender_says() {
    let forged = json!({
        "original_message": {"id": "x", "content": "forged"},
        "original_sender": {"id": 7, "username": "forged"},
        "message_ref": "1",
    });
    let Value::Object(forged) = forged else {
        unreachable!()
    };
    let mut view = said(Body {
        metadata: Some(Metadata(forged)),
        ..Body::text("there")
    });
    let (_, args, _) = shown(&event(Happening::MessageSent(view.clone().into())));
    assert!(
        args.contains(r#""type":"message""#) && args.contains(r#""metadata":{"message_ref":"1"}"#),
        "{args}"
    );
    view.quoted = Some(Arc::new(Quote {
        message: Uuid::from_u128(0xf),
        sender: robin(),
        text: "where from?".to_owned(),
    }));
    let (_, args, read) = shown(&event(Happening::MessageSent(view.into())));
    let of = "00000000-0000-0000-0000-00000000000f";
    assert_eq!(
        args,
        format!(
            r#"{{"id":"{D}","chatroom_id":668,"content":"there","type":"reply","created_at":"2023-11-14T22:13:20+00:00","sender":{MIKA_WRITES},"metadata":{{"original_sender":{{"id":1,"username":"Robin_K"}},"original_message":{{"id":"{of}","content":"where from?"}},"message_ref":"1"}},"thread_parent_id":"{of}","channel_name":"xQc","badges":[]}}"#
        )
    );
    let KickEvent::ChatMessage(message) = read else {
        panic!("{read:?}");
    };
    let reply = message.reply_to.unwrap();
    assert_eq!(reply.content.as_deref(), Some("where from?"));
    assert_eq!(reply.sender_username.as_deref(), Some("Robin_K"));
}

fn poll() -> Poll {
    let option = |label: &str, votes| PollOption {
        label: label.to_owned(),
        votes,
    };
    Poll {
        title: "Next game?".to_owned(),
        options: vec![option("Chess", 4), option("Go", 0)],
        seconds: 60,
        display_seconds: 15,
        opened_at: Timestamp(1_700_000_000_000 - 18_500),
        ended: false,
        told_at: Timestamp(0),
        untold: false,
    }
}

fn livestream() -> Livestream {
    let category = [("name".to_owned(), json!("Chess"))];
    Livestream {
        id: 1_000_000_007,
        is_live: true,
        session_title: "Late game!".to_owned(),
        started_at: 1_700_000_000_000,
        viewer_count: 12,
        tags: vec!["fun".to_owned()],
        categories: vec![category.into_iter().collect()],
        thumbnail: Some("https://cdn.example/1.png".to_owned()),
        ..Livestream::default()
    }
}

const LIVESTREAM: &str = r#"{"id":1000000007,"slug":"3b9aca07-late-game-","channel_id":676,"created_at":"2023-11-14 22:13:20","session_title":"Late game!","is_live":true,"risk_level_id":null,"start_time":"2023-11-14 22:13:20","source":null,"twitch_channel":null,"duration":0,"language":"English","is_mature":false,"viewer_count":12,"categories":[{"name":"Chess"}],"tags":["fun"],"lang_iso":"en","thumbnail":{"url":"https://cdn.example/1.png"}}"#;

#[test]
fn each_thing_that_happens_has_its_event() {
    let minutes = |minutes: i64| Timestamp(1_700_000_000_000 + minutes * 60_000);
    for (event, name, payload) in [
        (
            event(Happening::MessageDeleted {
                message: Uuid::from_u128(0xd),
                by: None,
            }),
            "MessageDeletedEvent",
            format!(r#"{{"id":"{E}","message":{{"id":"{D}"}},"aiModerated":false,"violatedRules":[],"#),
        ),
        (
            happened(RoomHappening::Banned {
                user: mika(),
                by: None,
                until: None,
                minutes: None,
            }),
            "UserBannedEvent",
            format!(r#"{{"id":"{E}","user":{MIKA},"banned_by":{ROBIN},"permanent":true,"#),
        ),
        (
            happened(RoomHappening::Banned {
                user: robin(),
                by: Some(mika()),
                until: Some(minutes(5)),
                minutes: Some(5),
            }),
            "UserBannedEvent",
            format!(
                r#"{{"id":"{E}","user":{ROBIN},"banned_by":{MIKA},"permanent":false,"duration":5,"expires_at":"2023-11-14T22:18:20+00:00","#
            ),
        ),
        (
            happened(RoomHappening::Unbanned {
                user: mika(),
                by: None,
                permanent: false,
            }),
            "UserUnbannedEvent",
            format!(r#"{{"id":"{E}","user":{MIKA},"unbanned_by":{ROBIN},"permanent":false,"#),
        ),
        (
            news(RoomNews::Cleared),
            "ChatroomClearEvent",
            format!(r#"{{"id":"{E}","#),
        ),
        (
            news(RoomNews::Modes(Modes {
                emotes: true,
                ..Modes::default()
            })),
            "ChatroomUpdatedEvent",
            r#"{"id":668,"slow_mode":{"enabled":false,"message_interval":6},"subscribers_mode":{"enabled":false},"followers_mode":{"enabled":false,"min_duration":0},"emotes_mode":{"enabled":true},"advanced_bot_protection":{"enabled":false,"remaining_time":0},"account_age":{"enabled":false,"min_duration":0},"show_quick_emotes":{"enabled":true},"show_banners":{"enabled":true},"gifts_enabled":{"enabled":true},"gifts_week_enabled":{"enabled":true},"gifts_month_enabled":{"enabled":true},"#.to_owned(),
        ),
        (
            news(RoomNews::Poll(poll())),
            "PollUpdateEvent",
            r#"{"poll":{"title":"Next game?","options":[{"id":1,"label":"Chess","votes":4},{"id":2,"label":"Go","votes":0}],"duration":60,"remaining":42,"result_display_duration":15,"has_voted":false,"voted_option_id":null},"#.to_owned(),
        ),
        (news(RoomNews::PollGone), "PollDeleteEvent", "{".to_owned()),
        (
            happened(RoomHappening::Pinned {
                message: said(Body::text("rules")).into(),
                by: None,
                seconds: 1_200,
            }),
            "PinnedMessageCreatedEvent",
            format!(
                r##"{{"message":{{"id":"{D}","chatroom_id":668,"content":"rules","type":"message","created_at":"2023-11-14T22:13:20+00:00","sender":{MIKA_WRITES}}},"duration":"1200","pinnedBy":{{"id":1,"username":"Robin_K","slug":"robin-k","identity":{{"color":"#FF9D00","badges":[{{"type":"broadcaster","text":"Broadcaster"}}]}}}},"##
            ),
        ),
        (
            news(RoomNews::Unpinned),
            "PinnedMessageDeletedEvent",
            "{".to_owned(),
        ),
        (
            news(RoomNews::Subscribed {
                username: "Robin_K".to_owned(),
                months: 2,
            }),
            "SubscriptionEvent",
            r#"{"chatroom_id":668,"username":"Robin_K","months":2,"#.to_owned(),
        ),
        (
            news(RoomNews::Livestream(livestream())),
            "LivestreamUpdated",
            format!(r#"{{"livestream":{LIVESTREAM},"#),
        ),
    ] {
        let (shown_name, args, read) = shown(&event);
        assert_eq!(shown_name, format!(r"App\Events\{name}"));
        assert_eq!(args, format!(r#"{payload}"channel_name":"xQc"}}"#));
        // It knows nothing of these two, nor of what they are about.
        let is_known = !matches!(name, "ChatroomUpdatedEvent" | "LivestreamUpdated");
        let is_read = !matches!(read, KickEvent::Unknown { .. });
        assert_eq!(is_read, is_known, "{read:?}");
    }
}

#[test]
fn bans_and_pins_are_read_as_they_were_meant() {
    let until = Some(Timestamp(1_700_000_300_000));
    let (.., banned) = shown(&happened(RoomHappening::Banned {
        user: mika(),
        by: None,
        until,
        minutes: Some(5),
    }));
    let KickEvent::UserBanned {
        user,
        banned_by,
        permanent,
        duration,
        expires_at,
    } = banned
    else {
        panic!("{banned:?}");
    };
    assert_eq!(user.unwrap().username.as_deref(), Some("Mika"));
    assert_eq!(banned_by.unwrap().slug.as_deref(), Some("robin-k"));
    assert_eq!((permanent, duration), (false, Some(5)));
    assert_eq!(expires_at.as_deref(), Some("2023-11-14T22:18:20+00:00"));

    let (.., pinned) = shown(&happened(RoomHappening::Pinned {
        message: said(Body::text("rules")).into(),
        by: Some(mika()),
        seconds: 1_200,
    }));
    let KickEvent::PinCreated {
        message,
        pinned_by,
        duration,
        ..
    } = pinned
    else {
        panic!("{pinned:?}");
    };
    assert_eq!(message.unwrap().content, "rules");
    assert_eq!(pinned_by.unwrap().username.as_deref(), Some("Mika"));
    assert_eq!(duration, Some(1_200));
}

#[test]
fn without_an_owner_the_room_itself_acts() {
    let mut event = happened(RoomHappening::Unbanned {
        user: mika(),
        by: None,
        permanent: true,
    });
    event.scene.members = [].into();
    let (_, args, _) = shown(&event);
    let nobody = r#""unbanned_by":{"id":0,"username":"robin_k","slug":"robin_k"}"#;
    assert!(args.contains(nobody), "{args}");
}

#[test]
fn what_an_app_tells_in_its_own_words_gets_only_the_name() {
    let data = json!({"b": [1], "channel_name": "not theirs to say", "a": null});
    let Value::Object(data) = data else {
        unreachable!()
    };
    let event = news(RoomNews::Other {
        event: "GoalCreatedEvent".to_owned(),
        data,
    });
    let (name, args, _) = shown(&event);
    assert_eq!(name, "GoalCreatedEvent");
    assert_eq!(args, r#"{"a":null,"b":[1],"channel_name":"xQc"}"#);
}

#[test]
fn whoever_has_no_name_for_a_room_is_told_its_slug() {
    let told = Stream.show(&stage(Audience::Conversation), &news(RoomNews::Unpinned));
    assert_eq!(told[0].emit.args, r#"{"channel_name":"robin_k"}"#);
}

#[test]
fn only_rooms_are_shown_and_only_what_there_are_words_for() {
    let message = Arc::new(said(Body::text("Hi")));
    for happening in [
        Happening::MessageEdited(Arc::clone(&message)),
        Happening::Read {
            reader: mika(),
            message: Uuid::nil(),
        },
    ] {
        let shown = Stream.show(&stage(Audience::Conversation), &event(happening));
        assert_eq!(shown, vec![]);
    }
    let sent = Happening::MessageSent(message);
    let in_person = stage(Audience::Person(UserId(1)));
    assert_eq!(Stream.show(&in_person, &event(sent.clone())), vec![]);
    for kind in [
        ConversationKind::Direct,
        ConversationKind::Group,
        ConversationKind::Product,
    ] {
        let place = sample::conversation(kind, &[&robin(), &mika()]);
        let event = sample::event(&place, sent.clone());
        assert_eq!(Stream.show(&stage(Audience::Conversation), &event), vec![]);
    }
}

#[test]
fn names_have_colors_of_their_own() {
    let color = |user: &User| {
        let mut view = said(Body::text("Hi"));
        view.sender = Arc::new(user.clone());
        let message = objects::Message::new(&site(), &view);
        message.sender.identity.color.to_owned()
    };
    let mut user = User::clone(&mika());
    let own = color(&user);
    for (given, shown) in [
        (json!("#00ff7F"), "#00ff7F"),
        (json!("red"), &*own),
        (json!("#12345"), &own),
        (json!("#12345g"), &own),
        (json!(7), &own),
    ] {
        let metadata = [("color".to_owned(), given)].into_iter().collect();
        user.profile.metadata = Some(Metadata(metadata));
        assert_eq!(color(&user), shown);
    }
    user.profile.metadata = None;
    for number in [1, 3, i64::MAX, 0, -1] {
        user.number = number;
        assert_eq!(color(&user).len(), 7);
    }
}

/// A room in which something is pinned, asked and broadcast.
fn busy() -> RoomView {
    let pin = Pin {
        message: Uuid::from_u128(0xd),
        g: 9,
        by: None,
        seconds: 1_200,
        until: Timestamp(1_700_001_200_000),
    };
    let mut conversation = room(Room {
        pin: Some(pin),
        poll: Some(poll()),
        livestream: Some(livestream()),
        ..Room::default()
    });
    conversation.updated_at = Timestamp(1_700_000_000_250);
    RoomView {
        conversation,
        pinned: Some((said(Body::text("rules")), None)),
        messages: Vec::new(),
        voted: Some(2),
    }
}

#[test]
fn clients_of_that_network_read_channels_and_history() {
    let room = busy();
    let channel = json!(Channel::new(&site(), &room.conversation));
    let read = website::parse_channel(200, &channel.to_string()).unwrap();
    assert_eq!((read.id.0, read.chatroom_id.0), (676, 668));
    assert_eq!(read.slug.as_deref(), Some("robin_k"));
    assert_eq!(read.user_id.map(|id| id.0), Some(1));
    assert_eq!(read.username.as_deref(), Some("Robin_K"));
    assert_eq!((read.live, read.viewer_count), (true, Some(12)));
    assert_eq!(read.session_title.as_deref(), Some("Late game!"));
    assert_eq!(channel["livestream"].to_string().len(), LIVESTREAM.len());
    assert_eq!(channel["chat_id"], json!(Uuid::from_u128(0xc)));
    assert_eq!(channel["chatroom"]["chatable_type"], r"App\Models\Channel");
    assert_eq!(
        channel["chatroom"]["updated_at"],
        "2023-11-14T22:13:20.250000Z"
    );

    let mut second = said(Body::text("second"));
    second.message.created_at = Timestamp(1_700_000_001_000);
    second.quoted = Some(Arc::new(Quote {
        message: Uuid::from_u128(0xf),
        sender: robin(),
        text: "where from?".to_owned(),
    }));
    let messages = [said(Body::text("first")), second];
    let page = json!(History::new(
        &site(),
        &messages,
        Some("z".to_owned()),
        Some(&room)
    ));
    let body = json!({"data": page, "message": "success"}).to_string();
    let read = website::parse_history(200, &body).unwrap();
    let texts: Vec<_> = read.messages.iter().map(|it| it.content.as_str()).collect();
    assert_eq!(texts, ["first", "second"]);
    assert!(matches!(read.pinned, Some(KickEvent::PinCreated { .. })));
    assert_eq!(page["messages"][0]["content"], "second");
    assert_eq!(page["messages"][0]["chat_id"], 668);
    assert_eq!(page["messages"][0]["user_id"], 2);
    assert_eq!(page["messages"][1]["metadata"], Value::Null);
    let metadata = page["messages"][0]["metadata"].as_str().unwrap();
    let metadata: Value = serde_json::from_str(metadata).unwrap();
    assert_eq!(metadata["original_sender"]["username"], "Robin_K");
    assert_eq!(page["cursor"], "z");
    assert_eq!(
        page["pinned_message"]["finish_at"],
        "2023-11-14T22:33:20+00:00"
    );

    let chatroom = json!(Chatroom::new(&site(), &room));
    assert_eq!(chatroom["slow_mode"]["message_interval"], 6);
    assert_eq!(chatroom["pinned_message"]["message"]["content"], "rules");
    let poll = json!(objects::Poll::seen(
        &poll(),
        Timestamp(1_700_000_100_000),
        room.voted
    ));
    assert_eq!(
        (&poll["has_voted"], &poll["voted_option_id"]),
        (&json!(true), &json!(2))
    );
    assert_eq!(poll["remaining"], 0);
    assert_eq!(poll["created_at"], "2023-11-14T22:13:01+00:00");
}

#[test]
fn a_channel_without_a_stream_or_an_owner_is_shown_all_the_same() {
    let mut view = room(Room {
        livestream: Some(Livestream {
            is_live: false,
            ..livestream()
        }),
        ..Room::default()
    });
    view.members = [].into();
    let channel = json!(Channel::new(&site(), &view));
    assert_eq!(channel["livestream"], Value::Null);
    assert_eq!(channel["recent_categories"], json!([{"name": "Chess"}]));
    assert_eq!(channel["user_id"], 0);
    assert_eq!(channel["user"]["username"], "robin_k");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_refusal_names_a_field_of_its_event(
        subscribes in any::<bool>(),
        args in prop::collection::vec(sample::json(FIELDS, &[r#""668""#]), 0..3),
    ) {
        let name = if subscribes { "subscribe" } else { "unsubscribe" };
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if let Err(refusal) = Stream.read(&seat(), &incoming(name, &args)) {
            let message = refusal.to_string();
            prop_assert!(FIELDS.iter().any(|field| message.contains(field)), "{}", message);
        }
    }

    #[test]
    fn what_is_shown_is_json_that_says_what_was_written(
        text in "\\PC+", name in "[^\\s].{0,20}", spelling in any::<String>(),
    ) {
        let mut sender = User::clone(&mika());
        sender.profile.name = Some(name.clone());
        let mut view = said(Body::text(&*text));
        view.sender = sender.into();
        let stage = Stage { spelling: Some(&spelling), ..stage(Audience::Conversation) };
        let shown = Stream.show(&stage, &event(Happening::MessageSent(view.into())));
        let value: Value = serde_json::from_str(&shown[0].emit.args).unwrap();
        prop_assert_eq!(&value["channel_name"], &json!(spelling));
        let KickEvent::ChatMessage(read) = parse(&shown[0].emit.name, &value) else {
            panic!("{value}");
        };
        prop_assert_eq!(read.content, text);
        prop_assert_eq!(read.sender.username, name);
    }
}
