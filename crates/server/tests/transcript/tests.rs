//! Tests of what plays transcripts: a wrong one must fail, and say where and how.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use chat::Identity;
use serde_json::{Value, json};

use super::{
    http::Request,
    pattern::{Bindings, Credentials},
    player::{Connection, Heard, Player},
    run::play,
    script::{Action, Deed, Script, Welcome},
};

/// A server that says what it was told to say: to each event of the client the next answers.
struct Fake {
    answers: Vec<Vec<&'static str>>,
}

struct FakeConnection {
    answers: VecDeque<Vec<&'static str>>,
    heard: VecDeque<String>,
    offsets: bool,
}

impl Credentials for Fake {
    fn key(&self, app: &str) -> Result<String, String> {
        Ok(format!("key of {app}"))
    }
    fn token(&self, subject: &Value, app: Option<&str>, aging: bool) -> Result<String, String> {
        Ok(format!("{subject} {app:?} {aging}"))
    }
    fn user_key(&self, subject: Option<&Value>) -> Result<String, String> {
        Ok(format!("key of {subject:?}"))
    }
    fn server_key(&self) -> Result<String, String> {
        Ok("key of the app".to_owned())
    }
}

impl Player for Fake {
    fn open(&mut self, _query: &[(String, String)]) -> Result<Box<dyn Connection>, String> {
        Ok(Box::new(FakeConnection {
            answers: self.answers.iter().cloned().collect(),
            heard: VecDeque::new(),
            offsets: true,
        }))
    }
    fn request(&mut self, request: &Request) -> Result<(u16, Value), String> {
        Ok((
            201,
            json!({"target": request.target, "body": request.body, "key": request.key}),
        ))
    }
    fn restart(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn advance(&mut self, by: Duration) -> Result<(), String> {
        Err(format!("it is {by:?} later"))
    }
}

impl Connection for FakeConnection {
    fn send(&mut self, text: &str) -> Result<(), String> {
        if text.starts_with('0') {
            self.offsets = !text.contains(r#""recovery":false"#);
            let pid = if self.offsets { r#","pid":"p""# } else { "" };
            let is_told = text.contains("ask");
            let pid = if is_told { "" } else { pid };
            self.heard.push_back(format!(r#"0{{"sid":"s"{pid}}}"#));
            if is_told {
                let answers = self.answers.front().cloned().unwrap_or_default();
                self.heard.extend(answers.into_iter().map(str::to_owned));
            }
        } else if let Some((id, _)) = text
            .strip_prefix('2')
            .and_then(|t| t.split_once(r#"["transcript.probe""#))
        {
            let offset = if self.offsets { r#","1.zz.z.0""# } else { "" };
            self.heard.push_back(format!(
                r#"2["error",{{"message":"","code":"unknown_event"}}{offset}]"#
            ));
            self.heard.push_back(format!(
                r#"3{id}[{{"success":false,"error":{{"code":"unknown_event","message":""}}}}]"#
            ));
        } else {
            let answers = self.answers.pop_front().unwrap_or_default();
            self.heard.extend(answers.into_iter().map(str::to_owned));
        }
        Ok(())
    }
    fn attach(&mut self, bytes: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(bytes);
        self.heard
            .push_back(format!(r#"2["attached","{text}","1.a.0"]"#));
        Ok(())
    }
    fn receive(&mut self, _deadline: Instant) -> Result<Heard, String> {
        let text = self.heard.pop_front().ok_or("nothing came")?;
        Ok(if text == "closed" {
            Heard::Closed
        } else {
            Heard::Text(text)
        })
    }
    fn close(&mut self) {}
}

/// Plays some lines against a server that answers like this.
fn try_out(lines: &str, answers: &[&[&'static str]]) -> Result<(), String> {
    let script = Script::parse("test", &format!("app main open\n{lines}")).unwrap();
    let answers = answers.iter().map(|answers| answers.to_vec()).collect();
    play(&script, Identity::Open, &mut Fake { answers })
}

const ASK: &str = "ada connect\nada >? ask 1\n";

#[test]
fn a_right_transcript_is_played_to_its_end() {
    let lines = r#"
ada connect
ada >? ask {"id":"$A=uuid"}
ada < told {"id":"$T=any","list":[1,"two",null]}
ada <? true,{"id":"$T"}
ada > tell "$T"
ada < told {"id":"$T","list":[]}
ada <|
ada closed
"#;
    let answers: &[&[&str]] = &[
        &[
            r#"2["told",{"id":7,"list":[1,"two",null]},"1.a.0"]"#,
            r#"30[true,{"id":7}]"#,
        ],
        &[r#"2["told",{"id":7,"list":[]},"1.a.1"]"#],
    ];
    let failure = try_out(lines, answers).unwrap_err();
    // Up to the last line, where this server is not so kind as to close.
    assert_eq!(failure, "test:10: ada closed\n  nothing came");
}

#[test]
fn files_typing_and_http_have_their_lines() {
    let lines = r#"
http as "$A=uuid" POST /v1/user?page=1&id=$A {"username":"$A"}
http 201 {"target":"$T=string","body":{"username":"$A"},"key":"$=string"}
http as server DELETE /x
http 201 {"target":"/x","body":null,"key":"key of the app"}
ada connect
ada > send {"file":"$=bytes(hello)"}
ada < attached "hello"
ada <~ typing {"id":1}
"#;
    let typing: &[&str] = &[r#"2["typing",{"id":1}]"#];
    try_out(lines, &[typing]).unwrap();
    for (wrong, expected) in [
        ("http 201 {}", "nothing was requested"),
        ("http GET /x\nhttp 200 {}", "expected 200\n  came: 201"),
        ("http GET /x\nhttp 201 {}", "one too many"),
        ("http GET /x\nada connect", "of which no line says so"),
        ("http GET /$A\nhttp 201 {}", "nothing is bound to $A yet"),
        ("clock advance 61s", "it is 61s later"),
        ("clock advance 5m", "it is 300s later"),
    ] {
        let failure = try_out(wrong, &[]).unwrap_err();
        assert!(failure.contains(expected), "{wrong}\n{failure}");
    }
}

#[test]
fn who_is_told_to_go_has_lines() {
    let lines = r#"
let who {"id":2,"role":"vendor"}
ada connect {"ask":1} told no {"who":2}
bob connect as "$who"
bob > ask "$who"
bob dismissed
"#;
    let told: &[&str] = &[r#"2["no",{"who":2}]"#, "1"];
    assert_eq!(try_out(lines, &[told]), Ok(()));
    for (told, expected) in [
        (&[r#"2["no",{"who":3}]"#, "1"][..], "expected 2, got 3"),
        (&[r#"2["no",{"who":2}]"#], "nothing came"),
        (&["1"], "got the packet \"1\""),
    ] {
        let failure = try_out(lines, &[told]).unwrap_err();
        assert!(failure.contains(expected), "{failure}\n{expected}");
    }
}

#[test]
fn a_wrong_transcript_fails_and_says_how() {
    for (lines, answers, expected) in WRONG {
        let failure = try_out(&format!("{ASK}{lines}"), &[answers])
            .expect_err(&format!("passed with {answers:?}: {lines}"));
        assert!(failure.contains(expected), "{lines}\n{failure}\n{expected}");
    }
}

/// Lines that follow [`ASK`], what the server says to it, and part of the failure.
const WRONG: &[(&str, &[&str], &str)] = &[
    (
        r#"ada < told {"a":{"b":[1,2]}}"#,
        &[r#"2["told",{"a":{"b":[1,3]}},"1.1.0"]"#],
        "test:4: ada < told {\"a\":{\"b\":[1,2]}}\n  at told[0].a.b[1]: expected 2, got 3\n  came: told {\"a\":{\"b\":[1,3]}}",
    ),
    (
        r#"ada < told {"a":1}"#,
        &[r#"2["told",{"a":1,"b":2},"1.1.0"]"#],
        "at told[0]: b is one too many",
    ),
    (
        r#"ada < told {"a":1,"b":2}"#,
        &[r#"2["told",{"a":1},"1.1.0"]"#],
        "at told[0]: b is missing",
    ),
    (
        r#"ada < told "$X","$X""#,
        &[r#"2["told",1,2,"1.1.0"]"#],
        "at told[1]: expected $X, which is 1, got 2",
    ),
    (
        "ada < told 1",
        &[r#"2["told",1,2,"1.1.0"]"#],
        "at told: expected 1 items, got 2",
    ),
    (
        "ada < told 1",
        &[r#"2["tolled",1,"1.1.0"]"#],
        "expected the event told\n  came: tolled 1",
    ),
    ("ada < told 1", &[], "nothing came"),
    ("ada < told 1", &["closed"], "the connection was closed"),
    ("ada < told 1", &["30[1]"], "got the packet \"30[1]\""),
    (
        "ada < told 1",
        &[r#"2["told",1]"#],
        r#"nothing came, but the packet "2[\"told\",1]""#,
    ),
    (
        "ada <~ told 1",
        &[r#"2["told",1,"1.1.0"]"#],
        r#"nothing came, but the packet "2[\"told\",1,\"1.1.0\"]""#,
    ),
    (
        "ada <~ told 1\nada <~ told 2",
        &[r#"2["told",2]"#, r#"2["told",1]"#],
        "test:4: ada <~ told 1\n  at told[0]: expected 1, got 2",
    ),
    (
        "ada <? 1\nada <|",
        &["30[1]", r#"2["told",1]"#],
        "test:5: ada <|\n  something came: the packet",
    ),
    (
        "ada dismissed",
        &[r#"2["told",1,"1.1.0"]"#],
        "got the packet",
    ),
    (
        "ada < told 1",
        &[r#"2["told",1,"Monday"]"#],
        "told ends with no offset",
    ),
    (
        "ada < told 1",
        &[r#"2["told",1,"1.1.Z"]"#],
        "told ends with no offset",
    ),
    (
        "ada < told 1",
        &[r#"2["told",1,"1.1.0.3"]"#],
        "told ends with no offset",
    ),
    (
        "ada < told 1",
        &[r#"2["told",1,"1.1.z"]"#],
        "told ends with no offset",
    ),
    (
        "ada < told 1\nada < told 1",
        &[r#"2["told",1,"1.1.0"]"#, r#"2["told",1,"1.1.0"]"#],
        "the offset of told falls",
    ),
    (
        "ada < told 1\nada < told 1",
        &[r#"2["told",1,"1.a.0"]"#, r#"2["told",1,"1.9.1"]"#],
        "the offset of told falls",
    ),
    (
        "ada < told 1",
        &[r#"25["told",1,"1.1.0"]"#],
        "told asks for an acknowledgement",
    ),
    (
        "ada <? 1",
        &[r#"2["told",1,"1.1.0"]"#],
        "expected an acknowledgement, got the packet",
    ),
    (
        "ada <? 1",
        &["37[1]"],
        "the acknowledgement is of event 7, not Some(0)",
    ),
    (
        "ada <? 1",
        &["30[2]"],
        "at the acknowledgement[0]: expected 1, got 2",
    ),
    ("ada <|", &[], "waits for an acknowledgement"),
    (
        "ada <? 1",
        &["30[1]", r#"2["told",1,"1.1.0"]"#],
        "test: at the end\n  ada/: something came: told 1",
    ),
    (
        "ada <? 1\nada <|",
        &["30[1]", "31[1]"],
        "something came: the packet",
    ),
    (
        "ada <? 1\nada <|",
        &["30[1]", r#"2["told",1,"1.1.0"]"#],
        "test:5: ada <|\n  something came: told 1",
    ),
];

#[test]
fn events_without_recovery_have_no_offsets() {
    let lines = "ada connect {\"recovery\":false}\nada > ask\nada < told 1";
    assert_eq!(try_out(lines, &[&[r#"2["told",1]"#]]), Ok(()));
    let failure = try_out(lines, &[&[r#"2["told",1,"1.1.0"]"#]]).unwrap_err();
    assert!(failure.contains("expected 1 items, got 2"), "{failure}");
}

#[test]
fn new_ids_are_new() {
    let mut bindings = Bindings::default();
    let id = json!("01234567-89ab-4cde-8f01-23456789abcd");
    bindings.compare(&json!("$a=uuid"), &id, "first").unwrap();
    bindings.compare(&json!("$a=uuid"), &id, "again").unwrap();
    let failure = bindings
        .compare(&json!("$b=uuid"), &id, "second")
        .unwrap_err();
    assert_eq!(failure, "at second: expected a new id, got that of $a");
}

#[test]
fn kinds_of_values_are_told_apart() {
    let cases = [
        (
            "$=uuid",
            json!("01234567-89AB-4cde-8f01-23456789abcd"),
            false,
        ),
        ("$=uuid", json!("0123456789ab4cde8f0123456789abcd"), false),
        ("$=timestamp", json!("2026-03-01T12:30:05.250Z"), true),
        ("$=timestamp", json!("2026-03-01T12:30:05Z"), false),
        ("$=timestamp", json!("2026-03-01T12:30:05.250+00"), false),
        ("$=timestamp", json!(1), false),
        ("$=string", json!("1"), true),
        ("$=string", json!(1), false),
        ("$=number", json!(1.5), true),
        ("$=number", json!("1.5"), false),
        ("$=any", json!(null), true),
        ("$=list(2)", json!([1, 2]), true),
        ("$=list(2)", json!([1]), false),
        ("$=list(2)", json!("12"), false),
        ("$=text(3)", json!("xxx"), true),
        ("$=text(3)", json!("xx"), false),
        ("$$=any", json!("$=any"), true),
        ("$$=any", json!("any"), false),
        ("$=nonsense", json!(1), false),
        ("plain", json!("plain"), true),
    ];
    for (pattern, value, fits) in cases {
        let compared = Bindings::default().compare(&json!(pattern), &value, "it");
        assert_eq!(
            compared.is_ok(),
            fits,
            "{pattern} and {value}: {compared:?}"
        );
    }
}

#[test]
fn what_is_sent_is_filled_in() {
    let mut bindings = Bindings::default();
    let fake = Fake {
        answers: Vec::new(),
    };
    let mut fill = |pattern: Value| bindings.fill(&pattern, &fake);
    let id = fill(json!("$a=uuid")).unwrap();
    let text = id.as_str().unwrap().to_owned();
    assert_eq!(text.len(), 36);
    assert_eq!(
        fill(json!({"x": ["$a"], "y": "$$a"})),
        Ok(json!({"x": [text], "y": "$a"}))
    );
    assert_eq!(fill(json!("$=upper(a)")), Ok(json!(text.to_uppercase())));
    assert_eq!(fill(json!("$=text(4)")), Ok(json!("xxxx")));
    assert_eq!(fill(json!("$=key(main)")), Ok(json!("key of main")));
    assert_eq!(
        fill(json!("$=token(a, other)")),
        Ok(json!(format!("{id} Some(\"other\") false")))
    );
    assert_eq!(
        fill(json!("$=aging(a)")),
        Ok(json!(format!("{id} None true")))
    );
    for (pattern, expected) in [
        ("$b", "nothing is bound to $b yet"),
        ("$a=uuid", "$a is bound already"),
        ("$=list(2)", "$list is nothing that can be sent"),
    ] {
        assert_eq!(fill(json!(pattern)), Err(expected.to_owned()));
    }
}

#[test]
fn lines_are_read() {
    let text = "\
# A comment
app main either
app other verified

ada/chat open appKey=k recovery=0
ada/chat connect as \"$A=uuid\" {\"x\":
    1} refused \"no\"
repeat 2
ada > count #n,\"$m#n\"
end
ada <? 1
server restart
";
    let script = Script::parse("test", text).unwrap();
    assert_eq!(script.identities(), [Identity::Open, Identity::Verified]);
    assert_eq!(script.apps[1].identities, [Identity::Verified]);
    let lines: Vec<usize> = script.steps.iter().map(|step| step.line).collect();
    assert_eq!(lines, [5, 6, 9, 9, 11, 12]);
    let Action::Socket(who, deed) = &script.steps[1].action else {
        panic!("{:?}", script.steps[1]);
    };
    assert_eq!(
        (who.connection.as_str(), who.namespace.as_str()),
        ("ada", "/chat")
    );
    let expected = Deed::Connect {
        subject: Some(json!("$A=uuid")),
        auth: Some(json!({"x": 1})),
        welcome: Welcome::Refused(json!("no")),
    };
    assert_eq!(*deed, expected);
    let Action::Socket(_, Deed::Emit { args, .. }) = &script.steps[3].action else {
        panic!("{:?}", script.steps[3]);
    };
    assert_eq!(*args, [json!(2), json!("$m2")]);
}

#[test]
fn lines_that_make_no_sense_are_refused() {
    let cases = [
        ("ada connect", "test: names no app"),
        ("app main open", "test: nothing happens"),
        (
            "app main shut\nada connect",
            "test:1: an app is open, verified or either, not shut",
        ),
        ("app main", "test:1: must be: app NAME open|verified|either"),
        (
            "app a open\nada connect\napp b open",
            "test:3: apps come before everything else",
        ),
        ("app a open\nada", "test:2: says who, but not what"),
        (
            "app a open\nada sings",
            "test:2: sings is nothing that a socket does",
        ),
        (
            "app a open\nserver sleep",
            "test:2: the server can only restart",
        ),
        (
            "app a open\nclock advance 5",
            "test:2: must be: clock advance",
        ),
        (
            "app a open\nclock stop 5s",
            "test:2: must be: clock advance",
        ),
        (
            "app a open\nada closed now",
            "test:2: nothing may follow closed",
        ),
        ("app a open\nada <| 1", "test:2: nothing may follow <|"),
        ("app a open\nlet ada", "test:2: must be: let NAME VALUE"),
        ("app a open\nada >", "test:2: names no event"),
        ("app a open\nada > tell {", "test:2: no JSON"),
        ("app a open\nada <? 1 2", "test:2: no JSON"),
        (
            "app a open\nada connect {} or not",
            "test:2: must be: connect [as SUBJECT]",
        ),
        (
            "app a open\nada connect as",
            "test:2: must be: connect [as SUBJECT]",
        ),
        (
            "app a open\nada open k",
            "test:2: must be: open KEY=VALUE ...",
        ),
        ("app a open\nrepeat x\nend", "test:2: must be: repeat N"),
        (
            "app a open\nrepeat 2\nada connect",
            "test:2: repeat has no end",
        ),
    ];
    for (text, expected) in cases {
        let refused = Script::parse("test", text).unwrap_err();
        assert!(
            refused.starts_with(expected),
            "{refused:?} is not {expected:?}"
        );
    }
}
