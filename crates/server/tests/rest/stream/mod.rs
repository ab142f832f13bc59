//! The chatrooms of live streams over HTTP.

mod effects;
mod history;
mod input;
mod limits;
mod modes;
mod rights;

use std::time::Instant;

use chat::Identity;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Ask, DEADLINE, delete, get, post, put},
    server::{App, Server, text},
};

const CHANNEL: &str = "/api/v2/channels/gaming";

/// An app with the channel `gaming` of Robin, which Mika moderates.
pub(crate) struct Channel {
    pub(crate) server: Server,
    pub(crate) app: App,
    /// The number of the channel, and of its chatroom.
    pub(crate) id: i64,
    robin: String,
    mika: String,
    /// Somebody who may only write and vote.
    vera: String,
}

impl Channel {
    pub(crate) fn new(identity: Identity) -> Self {
        Self::with(identity, &json!({}), &[])
    }

    fn private(identity: Identity) -> Self {
        Self::with(identity, &json!({ "private": true }), &[])
    }

    /// With these settings, and more about the channel.
    fn with(identity: Identity, more: &Value, settings: &[(&str, &str)]) -> Self {
        let server = Server::with(settings);
        let app = server.app("show", identity);
        let mut about = json!({ "slug": "Gaming", "title": "Games", "owner": "Robin" });
        let more = more.as_object().unwrap().clone();
        about.as_object_mut().unwrap().extend(more);
        let made = post("/api/v2/channels").with(&app.server).json(&about);
        let made = server.ask(&made);
        assert_eq!(made.status, 201, "{}", made.json());
        let id = made.json()["chatroom"]["id"].as_i64().unwrap();
        let moderator = post(&format!("{CHANNEL}/moderators")).with(&app.server);
        let added = server.ask(&moderator.json(&json!({ "username": "Mika" })));
        assert_eq!(added.status, 201, "{}", added.json());
        let [robin, mika, vera] = ["Robin", "Mika", "Vera"].map(|name| app.user_key(name));
        Self {
            server,
            app,
            id,
            robin,
            mika,
            vera,
        }
    }

    fn ask(&self, ask: &Ask) -> Answer {
        self.server.ask(ask)
    }

    /// What everybody sees below the channel.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask(&get(&format!("{CHANNEL}{path}"))).good()
    }

    /// The path on which people write.
    fn send_path(&self) -> String {
        format!("/api/v2/messages/send/{}", self.id)
    }

    /// What somebody who has a token writes.
    fn say(&self, token: &str, words: &str) -> Answer {
        let body = json!({ "content": words, "type": "message" });
        self.ask(&post(&self.send_path()).with(token).json(&body))
    }

    /// The same, and its id.
    #[track_caller]
    fn said(&self, token: &str, words: &str) -> String {
        let answer = self.say(token, words);
        assert_eq!(answer.status, 201, "{}", answer.json());
        text(&answer.json()["id"])
    }

    /// What the app's server says that somebody writes.
    fn say_as(&self, sender: &Value, words: &str) -> Answer {
        let body = json!({ "content": words, "sender": sender });
        self.ask(&post(&self.send_path()).with(&self.app.server).json(&body))
    }

    /// Asks for something below the channel, with a body.
    fn does(&self, method: &str, path: &str, key: &str, body: &Value) -> Answer {
        let path = format!("{CHANNEL}{path}");
        let ask = match method {
            "POST" => post(&path).json(body),
            "PUT" => put(&path).json(body),
            _ => delete(&path),
        };
        self.ask(&ask.with(key))
    }

    #[track_caller]
    fn posts(&self, path: &str, key: &str, body: &Value) -> Value {
        let answer = self.does("POST", path, key, body);
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()
    }

    #[track_caller]
    fn puts(&self, path: &str, key: &str, body: &Value) -> Value {
        let answer = self.does("PUT", path, key, body);
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }

    #[track_caller]
    fn deletes(&self, path: &str, key: &str) -> Value {
        let answer = self.does("DELETE", path, key, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }

    /// The texts of the newest page, newest first.
    fn texts(&self) -> Vec<String> {
        let page = self.get("/messages");
        let messages = page["data"]["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| text(&message["content"]))
            .collect()
    }

    /// Waits until something is so that time brings.
    #[track_caller]
    fn await_that(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "waited until {what}");
        }
    }
}

/// Asserts a refusal in the form of this dialect. Its message must have `words` in it.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str, words: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(body["code"], code, "{body}");
    let message = body["message"].as_str().unwrap();
    assert!(message.contains(words), "{words:?} is not in {message:?}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
}
