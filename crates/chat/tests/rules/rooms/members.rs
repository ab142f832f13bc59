//! A room as a conversation of its members, in the dialects that know no rooms.

use chat::{
    Command, ConversationRef, Refusal,
    room::{RoomAct, RoomName},
};

use super::{add_moderator, club, create, in_room, room, stage, state, token};
use crate::world::{
    World, add, anybody, delete_user, drop_conversation, named, register, remove, rename, server,
    verified,
};

#[test]
fn who_rules_a_room_adds_and_removes_and_everybody_oneself() {
    let mut world = stage();
    let uuid = room(&world).conversation.uuid;
    world.one(&token("zoe"), register("zoe")).unwrap();
    assert_eq!(world.members(uuid), ["ANN", "mod*"]);
    let not = Refusal::NotAllowed;
    assert_eq!(world.refused(&token("zoe"), add(uuid, "bob", None)), not);
    world.one(&token("zoe"), add(uuid, "zoe", None)).unwrap();
    // A plain member, too, only writes there.
    assert_eq!(world.refused(&token("zoe"), add(uuid, "bob", None)), not);
    for whom in ["mod", "ann"] {
        assert_eq!(world.refused(&token("zoe"), remove(uuid, whom, None)), not);
    }
    assert_eq!(
        world.refused(&token("zoe"), rename(uuid, "Mine", None)),
        not
    );
    assert_eq!(
        world.refused(&token("zoe"), drop_conversation(uuid, None)),
        not
    );
    world.one(&token("mod"), add(uuid, "bob", None)).unwrap();
    assert_eq!(world.members(uuid), ["ANN", "mod*", "zoe", "bob"]);
    world.one(&token("mod"), remove(uuid, "zoe", None)).unwrap();
    world.one(&token("bob"), remove(uuid, "bob", None)).unwrap();
    assert_eq!(world.members(uuid), ["ANN", "mod*"]);
    world
        .one(&token("mod"), rename(uuid, "Ours", None))
        .unwrap();
    assert_eq!(room(&world).details.title.as_deref(), Some("Ours"));
    assert_eq!(state(&world), chat::room::Room::default(), "the rest stays");
    assert_eq!(world.refused(&token("mod"), remove(uuid, "ann", None)), not);
    assert_eq!(
        world.refused(&token("mod"), drop_conversation(uuid, None)),
        not
    );
    world.one(&server(), in_room(add_moderator("sue"))).unwrap();
    assert_eq!(world.refused(&token("mod"), remove(uuid, "sue", None)), not);
    world.one(&token("ann"), remove(uuid, "sue", None)).unwrap();
    world
        .one(&token("ann"), drop_conversation(uuid, None))
        .unwrap();
    let refused = world.refused(&server(), in_room(RoomAct::Clear));
    assert_eq!(refused, Refusal::UnknownConversation);
    // The slug is free again, the numbers are not.
    world.one(&server(), create("club", "bob")).unwrap();
    let numbers = room(&world).conversation.numbers.unwrap();
    assert_eq!(numbers.chatroom, 1_000_000_002);
}

#[test]
fn a_room_goes_to_a_moderator_or_to_nobody() {
    for deletes in [false, true] {
        let mut world = stage();
        let uuid = room(&world).conversation.uuid;
        world.one(&server(), add(uuid, "bob", None)).unwrap();
        let leave = |who: &str| {
            if deletes {
                delete_user(who)
            } else {
                remove(uuid, who, None)
            }
        };
        world.one(&server(), in_room(add_moderator("bob"))).unwrap();
        world.one(&token("ann"), leave("ann")).unwrap();
        assert_eq!(world.members(uuid), ["MOD", "bob*"]);
        let demote = RoomAct::RemoveModerator {
            username: "bob".to_owned(),
        };
        world.one(&token("mod"), in_room(demote)).unwrap();
        world.one(&token("mod"), leave("mod")).unwrap();
        assert_eq!(
            world.members(uuid),
            ["bob"],
            "nobody gets it for having come"
        );
        world.one(&server(), in_room(RoomAct::Clear)).unwrap();
    }
}

fn listen(actor: &std::sync::Arc<chat::Actor>, world: &mut World) -> Result<chat::Reply, Refusal> {
    world.one(actor, join_as("CLUB"))
}

fn join_as(spelling: &str) -> Command {
    Command::Join {
        conversation: ConversationRef::Room(club()),
        by: None,
        spelling: Some(spelling.to_owned()),
        dialect: "stream",
    }
}

#[test]
fn a_rooms_own_name_is_no_other_spelling_of_it() {
    let mut world = stage();
    for (spelling, kept) in [("CLUB", Some("CLUB")), ("club", None)] {
        world.one(&anybody(), join_as(spelling)).unwrap();
        let rows = world.store.rows();
        let listened = &rows.session(1).unwrap().subscriptions[0];
        assert_eq!(listened.spelling.as_deref(), kept);
    }
}

#[test]
fn everybody_reads_a_room_unless_it_is_private() {
    let mut world = stage();
    for actor in [anybody(), verified(None), token("zoe"), server()] {
        listen(&actor, &mut world).unwrap();
    }
    let rows = world.store.rows();
    let listened = &rows.session(1).unwrap().subscriptions[0];
    assert_eq!(listened.user, None);
    assert_eq!(listened.spelling.as_deref(), Some("CLUB"));
    let private = Command::CreateRoom {
        slug: "den".to_owned(),
        title: None,
        owner: "ann".to_owned(),
        private: true,
    };
    world.one(&server(), private).unwrap();
    let join = || Command::Join {
        conversation: ConversationRef::Room(RoomName::Slug("den".to_owned())),
        by: Some(named("ann")),
        spelling: None,
        dialect: "stream",
    };
    for actor in [anybody(), verified(None)] {
        let refused = world.refused(&actor, join());
        assert_eq!(refused, Refusal::TokenRequired);
    }
    for actor in [token("zoe"), server()] {
        world.one(&actor, join()).unwrap();
    }
}
