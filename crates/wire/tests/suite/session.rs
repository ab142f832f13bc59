//! A session's namespaces, its binary packets and its deadline.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use wire::Limits;
use wire::engineio::Message;
use wire::socketio::{self, Input, Session};

use crate::support::hex;

/// What a session says to a conversation of messages, each line `T text` or `B bytes`, with the namespaces that the
/// server lets in named in `accepts`.
fn converse(
    limits: &Arc<Limits>,
    accepts: &[&str],
    messages: &[Message],
) -> Result<Vec<String>, socketio::Violation> {
    let now = Instant::now();
    let mut session = Session::new(limits.clone(), now);
    let mut seen = Vec::new();
    for message in messages {
        match session.receive(message.clone(), now)? {
            None => {}
            Some(Input::Connect { namespace, auth }) => {
                seen.push(format!(
                    "connect {namespace} {}",
                    auth.as_ref().map_or("", |auth| auth.get())
                ));
                if accepts.contains(&namespace.as_str()) {
                    assert!(session.accept(&namespace));
                } else {
                    session.reject(&namespace, now)?;
                }
            }
            Some(Input::Event(event)) => {
                let attachments: Vec<String> =
                    event.attachments.iter().map(|bytes| hex(bytes)).collect();
                seen.push(format!(
                    "event {} {} {attachments:?}",
                    event.namespace, event.name
                ));
            }
            Some(Input::Ack(ack)) => seen.push(format!("ack {} {}", ack.namespace, ack.id)),
            Some(Input::Disconnect { namespace }) => seen.push(format!("disconnect {namespace}")),
        }
    }
    Ok(seen)
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::Binary(Bytes::from_static(bytes))
}

#[test]
fn a_session_follows_its_namespaces() {
    let limits = Arc::new(Limits {
        max_attachments: 2,
        max_namespaces: 2,
        max_rejected_connects: 3,
        ..Limits::default()
    });
    let converse = |messages: &[Message]| converse(&limits, &["/", "/a", "/b"], messages);
    let ok = |lines: &[&str]| {
        Ok(lines
            .iter()
            .map(|&line| line.to_owned())
            .collect::<Vec<_>>())
    };

    assert_eq!(
        converse(&[
            text(r#"0{"t":1}"#),
            text("0/a"),
            text(r#"2["x"]"#),
            text(r#"2/a,["y"]"#),
            text("31[]"),
            text("1/a")
        ]),
        ok(&[
            r#"connect / {"t":1}"#,
            "connect /a ",
            "event / x []",
            "event /a y []",
            "ack / 1",
            "disconnect /a"
        ]),
    );
    // What was on its way when a namespace ended is dropped, but another CONNECT counts.
    assert_eq!(
        converse(&[
            text("0"),
            text("1"),
            text(r#"2["x"]"#),
            text("31[]"),
            text("1"),
            text("0"),
            text(r#"2["y"]"#)
        ]),
        ok(&["connect / ", "disconnect /", "connect / ", "event / y []"]),
    );
    assert_eq!(
        converse(&[text("0/no"), text(r#"2/no,["x"]"#), text("1/no")]),
        ok(&["connect /no "]),
        "a client that was turned down and does not know it yet"
    );
    assert_eq!(
        converse(&[
            text("0"),
            text(r#"52-["x",{"_placeholder":true,"num":1}]"#),
            binary(b"\x01"),
            binary(b"\x02\x03")
        ]),
        ok(&["connect / ", r#"event / x ["01", "0203"]"#]),
    );
    assert_eq!(
        converse(&[
            text("0"),
            text("1"),
            text(r#"51-["x"]"#),
            binary(b"\x01"),
            text("0")
        ]),
        ok(&["connect / ", "disconnect /", "connect / "]),
        "a binary event for a namespace that is gone is taken whole, then dropped"
    );
}

#[test]
fn a_session_refuses_what_breaks_the_rules() {
    use socketio::Violation;
    let limits = Arc::new(Limits {
        max_attachments: 2,
        max_namespaces: 2,
        max_rejected_connects: 3,
        ..Limits::default()
    });
    let converse = |messages: &[Message]| converse(&limits, &["/", "/a", "/b"], messages);

    assert_eq!(converse(&[text(r#"2["x"]"#)]), Err(Violation::NotConnected));
    assert_eq!(
        converse(&[text("0"), text(r#"2/a,["x"]"#)]),
        Err(Violation::NotConnected)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"51-/a,["x"]"#)]),
        Err(Violation::NotConnected)
    );
    assert_eq!(
        converse(&[text("0"), text("1/a")]),
        Err(Violation::NotConnected)
    );
    assert_eq!(
        converse(&[text("0"), text("0")]),
        Err(Violation::AlreadyConnected)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"4{"message":"no"}"#)]),
        Err(Violation::ServerPacket)
    );
    assert_eq!(
        converse(&[text("0"), text("0/a"), text("0/b")]),
        Err(Violation::TooManyNamespaces)
    );
    assert_eq!(
        converse(&[text("0"), binary(b"x")]),
        Err(Violation::UnexpectedAttachment)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"51-["x"]"#), text(r#"2["y"]"#)]),
        Err(Violation::AttachmentExpected)
    );
    assert_eq!(
        converse(&[text("0"), text(r#"51-["x"]"#), binary(b"a"), binary(b"b")]),
        Err(Violation::UnexpectedAttachment)
    );
    let no = text("0/no");
    assert_eq!(
        converse(&[no.clone(), no.clone(), no.clone()]),
        Err(Violation::TooManyRejectedConnects)
    );
    assert_eq!(
        converse(&[no.clone(), no.clone(), text("0"), no.clone(), no.clone()])
            .map(|seen| seen.len()),
        Ok(5),
        "an accepted CONNECT begins the count anew"
    );
    // Names that are gone give way, so that a long life with changing namespaces stays within the limit.
    let mut long = vec![text("0")];
    for name in ["/a", "/b", "/a", "/b", "/a"] {
        long.extend([text(&format!("0{name}")), text(&format!("1{name}"))]);
    }
    assert_eq!(converse(&long).map(|seen| seen.len()), Ok(11));
}

#[test]
fn a_session_that_is_nowhere_has_a_deadline() {
    let limits = Arc::new(Limits::default());
    let start = Instant::now();
    let at = |seconds| start + std::time::Duration::from_secs(seconds);
    let mut session = Session::new(limits.clone(), start);
    assert_eq!(session.deadline(), Some(at(45)));
    session.receive(text("0"), at(1)).unwrap();
    assert_eq!(session.deadline(), Some(at(45)), "asking is not being in");
    assert!(session.accept("/"));
    assert!(!session.accept("/"), "accepted once");
    assert!(!session.accept("/a"), "nobody asked");
    assert_eq!(session.deadline(), None);
    assert_eq!(session.connected().collect::<Vec<_>>(), ["/"]);
    session.receive(text("0/a"), at(50)).unwrap();
    session.leave("/", at(60));
    assert_eq!(session.deadline(), Some(at(105)));
    assert!(session.accept("/a"));
    assert_eq!(session.deadline(), None);
    session.receive(text("1/a"), at(70)).unwrap();
    assert_eq!(session.deadline(), Some(at(115)));
    session.receive(text("0/b"), at(80)).unwrap();
    session.reject("/b", at(80)).unwrap();
    assert_eq!(
        session.deadline(),
        Some(at(115)),
        "a CONNECT that fails gives no more time"
    );
}

#[test]
fn limits_are_bounds_of_a_whole_message() {
    let limits = Limits {
        max_text_bytes: 10,
        max_binary_bytes: 3,
        ..Limits::default()
    };
    assert_eq!(
        socketio::Packet::parse(r#"2["12345"]"#, &limits).map(|(_, count)| count),
        Ok(0),
        "ten bytes"
    );
    assert_eq!(
        socketio::Packet::parse(r#"2["123456"]"#, &limits).map(|(_, count)| count),
        Err(socketio::Violation::TextTooLarge)
    );
    let seen = converse(
        &Arc::new(limits),
        &["/"],
        &[text("0"), text(r#"51-["x"]"#), binary(b"1234")],
    );
    assert_eq!(seen, Err(socketio::Violation::AttachmentTooLarge));
    assert_eq!(
        Limits::default().max_body_bytes(),
        1_000_000 + 13_333_336 + 2
    );
}
