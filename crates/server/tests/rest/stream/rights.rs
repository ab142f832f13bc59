//! Who may do what: every action by everybody, in an open and in a verified app.

use std::collections::BTreeSet;

use chat::Identity;
use serde_json::{Value, json};

use super::{CHANNEL, Channel};
use crate::{
    client::{Ask, get},
    server::text,
};

/// Nobody, a client key, a viewer's token, a moderator's, the owner's, a server key, a server key of
/// another app, in which there is no such channel.
const ASKERS: usize = 7;
type Statuses = [u16; ASKERS];

const ANYBODY: Statuses = [200, 200, 200, 200, 200, 200, 404];
const PEOPLE: Statuses = [401, 403, 200, 200, 200, 200, 404];
const RULERS: Statuses = [401, 403, 403, 200, 200, 200, 404];
const OWNER: Statuses = [401, 403, 403, 403, 200, 200, 404];
const APP: Statuses = [401, 403, 403, 403, 403, 200, 404];

/// Something that can be asked for, in a room that has been made ready for it.
struct Action {
    /// As the list of the routes has it.
    route: &'static str,
    statuses: Statuses,
    /// Its status where it is done.
    done: u16,
    body: Value,
    prepare: fn(&Channel) -> Option<String>,
}

fn action(route: &'static str, statuses: Statuses, done: u16, body: Value) -> Action {
    Action {
        route,
        statuses,
        done,
        body,
        prepare: |_| None,
    }
}

fn prepared(
    route: &'static str,
    statuses: Statuses,
    (done, body): (u16, Value),
    prepare: fn(&Channel) -> Option<String>,
) -> Action {
    Action {
        prepare,
        ..action(route, statuses, done, body)
    }
}

fn nothing() -> Value {
    Value::Null
}

/// What stands in a path or body for what was made ready.
const MADE: &str = "MADE";

fn poll() -> Value {
    json!({ "title": "?", "options": ["a", "b"], "duration": 600 })
}

fn is_asked(room: &Channel) -> Option<String> {
    let answer = room.does("POST", "/polls", &room.app.server, &poll());
    assert!(matches!(answer.status, 201 | 409));
    None
}

fn is_not_asked(room: &Channel) -> Option<String> {
    room.does("DELETE", "/polls", &room.app.server, &Value::Null);
    None
}

/// A message of somebody who does not ask.
#[expect(clippy::unnecessary_wraps, reason = "prepares like the others")]
fn is_said(room: &Channel) -> Option<String> {
    let sender = json!({ "username": "Sam" });
    Some(text(&room.say_as(&sender, "hello").good()["id"]))
}

fn is_pinned(room: &Channel) -> Option<String> {
    let message = is_said(room);
    let pin = json!({ "message": { "id": message } });
    room.posts("/pinned-message", &room.app.server, &pin);
    None
}

fn is_banned(room: &Channel) -> Option<String> {
    let ban = json!({ "banned_username": "Sue", "permanent": true });
    room.posts("/bans", &room.app.server, &ban);
    None
}

fn moderates(room: &Channel) -> Option<String> {
    let moderator = json!({ "username": "Moe" });
    room.posts("/moderators", &room.app.server, &moderator);
    None
}

/// A live stream of another name than the one that is asked for.
fn is_live(room: &Channel) -> Option<String> {
    let stream = json!({ "is_live": true, "session_title": "b" });
    room.puts("/livestream", &room.app.server, &stream);
    None
}

/// All that can be asked for.
#[expect(clippy::too_many_lines, reason = "a table")]
fn actions() -> Vec<Action> {
    let sent = json!({ "content": "a", "sender": { "username": "Tom" } });
    let vote = json!({ "id": 1, "sender": { "username": "Tom" } });
    let ban = json!({ "banned_username": "Sue", "permanent": true });
    let event = json!({ "event": "PointsUpdated", "data": {} });
    vec![
        action("GET /api/v2/channels/{slug}", ANYBODY, 200, nothing()),
        action("GET /api/v2/channels/{slug}/info", ANYBODY, 200, nothing()),
        action(
            "GET /api/v2/channels/{slug}/livestream",
            ANYBODY,
            200,
            nothing(),
        ),
        prepared(
            "PUT /api/v2/channels/{slug}/livestream",
            RULERS,
            (200, json!({ "session_title": "a" })),
            is_live,
        ),
        action(
            "POST /api/v2/channels/{slug}/subscriptions",
            RULERS,
            201,
            json!({ "username": "Sam", "months": 1 }),
        ),
        action("POST /api/v2/channels/{slug}/events", APP, 201, event),
        action(
            "GET /api/v2/channels/{slug}/messages",
            ANYBODY,
            200,
            nothing(),
        ),
        action("GET /api/v1/chat/{id}/history", ANYBODY, 200, nothing()),
        action(
            "POST /api/v2/messages/send/{chatroom_id}",
            PEOPLE,
            201,
            sent,
        ),
        prepared(
            "DELETE /api/v2/chatrooms/{chatroom_id}/messages/{id}",
            RULERS,
            (200, nothing()),
            is_said,
        ),
        action(
            "GET /api/v2/channels/{slug}/chatroom",
            ANYBODY,
            200,
            nothing(),
        ),
        action(
            "PUT /api/v2/channels/{slug}/chatroom",
            RULERS,
            200,
            json!({ "show_banners": { "enabled": false } }),
        ),
        prepared(
            "POST /api/v2/channels/{slug}/pinned-message",
            RULERS,
            (201, json!({ "message": { "id": MADE } })),
            is_said,
        ),
        prepared(
            "DELETE /api/v2/channels/{slug}/pinned-message",
            RULERS,
            (200, nothing()),
            is_pinned,
        ),
        action("POST /api/v2/channels/{slug}/bans", RULERS, 201, ban),
        prepared(
            "DELETE /api/v2/channels/{slug}/bans/{username}",
            RULERS,
            (200, nothing()),
            is_banned,
        ),
        action(
            "POST /api/v2/channels/{slug}/chat-commands",
            RULERS,
            200,
            json!({ "command": "clear" }),
        ),
        action(
            "GET /api/v2/channels/{slug}/moderators",
            ANYBODY,
            200,
            nothing(),
        ),
        action(
            "POST /api/v2/channels/{slug}/moderators",
            OWNER,
            201,
            json!({ "username": "Sue" }),
        ),
        prepared(
            "DELETE /api/v2/channels/{slug}/moderators/{username}",
            OWNER,
            (200, nothing()),
            moderates,
        ),
        prepared(
            "GET /api/v2/channels/{slug}/polls",
            ANYBODY,
            (200, nothing()),
            is_asked,
        ),
        prepared(
            "POST /api/v2/channels/{slug}/polls",
            RULERS,
            (201, poll()),
            is_not_asked,
        ),
        prepared(
            "DELETE /api/v2/channels/{slug}/polls",
            RULERS,
            (200, nothing()),
            is_asked,
        ),
        prepared(
            "POST /api/v2/channels/{slug}/polls/vote",
            PEOPLE,
            (200, vote),
            |room| {
                // Nothing is left to be told of an earlier one.
                is_not_asked(room);
                is_asked(room)
            },
        ),
        action("GET /routes", [200; ASKERS], 200, nothing()),
        // The last one: each app counts its channels, and from here on the other has one too.
        prepared(
            "POST /api/v2/channels",
            [401, 403, 403, 403, 403, 200, 200],
            (201, json!({ "slug": MADE })),
            |_| Some(format!("n{}", fastrand::u64(..))),
        ),
    ]
}

impl Action {
    fn ask(&self, room: &Channel, made: Option<&str>) -> Ask {
        let (method, path) = self.route.split_once(' ').unwrap();
        let made = made.unwrap_or_default();
        let path = match path {
            "/api/v1/chat/{id}/history" => path.replace("{id}", &room.id.to_string()),
            _ => path.replace("{id}", made),
        };
        let username = if path.contains("moderators") {
            "Moe"
        } else {
            "Sue"
        };
        let path = path
            .replace("{slug}", "gaming")
            .replace("{chatroom_id}", &room.id.to_string())
            .replace("{username}", username);
        let ask = Ask::new(method, &path);
        if self.body.is_null() {
            return ask;
        }
        let body = self.body.to_string().replace(MADE, made);
        ask.json(&serde_json::from_str(&body).unwrap())
    }
}

/// All that everybody sees of a room.
fn state(room: &Channel) -> Vec<Value> {
    let paths = [
        "",
        "/chatroom",
        "/messages",
        "/livestream",
        "/moderators",
        "/polls",
    ];
    let look = |path| room.ask(&get(&format!("{CHANNEL}{path}"))).json();
    let mut seen: Vec<_> = paths.into_iter().map(look).collect();
    // What the store counts, it changes: bans are seen there only.
    seen.push(format!("{:?}", room.server.state()).into());
    if let Some(poll) = seen[5].pointer_mut("/data/poll") {
        poll["remaining"].take();
    }
    seen
}

#[test]
fn the_table_has_every_route() {
    let room = Channel::new(Identity::Open);
    let listed = room.ask(&get("/routes")).good();
    let mut routes = BTreeSet::new();
    for route in listed.as_array().unwrap() {
        let name = format!("{} {}", text(&route["method"]), text(&route["path"]));
        assert!(text(&route["description"]).len() > 5, "{name}");
        let category = text(&route["category"]);
        assert!(
            ["channels", "chat", "moderation", "polls"].contains(&&*category),
            "{name}"
        );
        assert_eq!(route.as_object().unwrap().len(), 4);
        assert!(routes.insert(name));
    }
    let table: BTreeSet<_> = actions()
        .iter()
        .map(|action| action.route.to_owned())
        .collect();
    assert_eq!(routes, table);
    // And the description of the whole has the same.
    let description = room.ask(&get("/openapi.json")).good();
    let mut described = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            if tag.starts_with("stream ") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert_eq!(described, table);
}

fn check(identity: Identity) {
    let room = Channel::new(identity);
    let other = room.server.app("other", identity);
    let askers = [
        None,
        Some(&room.app.client),
        Some(&room.vera),
        Some(&room.mika),
        Some(&room.robin),
        Some(&room.app.server),
        Some(&other.server),
    ];
    for action in actions() {
        for (asker, status) in askers.into_iter().zip(action.statuses) {
            let made = (action.prepare)(&room);
            let ask = action.ask(&room, made.as_deref());
            let ask = match asker {
                Some(key) => ask.with(key),
                None => ask,
            };
            let before = state(&room);
            let answer = room.ask(&ask);
            let expected = if status == 200 { action.done } else { status };
            let body = answer.json();
            let said = format!("{ask:?}: {body}");
            assert_eq!(answer.status, expected, "{said}");
            if status != 200 {
                assert_eq!(state(&room), before, "{said}");
                assert!(
                    body["code"].is_string() && body["message"].is_string(),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn each_may_do_what_is_theirs_in_an_open_app() {
    check(Identity::Open);
}

#[test]
fn each_may_do_what_is_theirs_in_a_verified_app() {
    check(Identity::Verified);
}
