//! What the listener asks about an HTTP request: its query, what it wants, whether it may become a WebSocket.

use proptest::prelude::*;
use wire::engineio::{HandshakeError, Query, Request, Transport, route};
use wire::websocket::{Handshake, HandshakeRefusal, accept_key};

proptest! {
    #[test]
    fn queries_survive(pairs in prop::collection::vec(("\\PC{0,8}", "\\PC{0,8}"), 0..5), noise in "[a-z%+&=0-9A-F\u{e9}]{0,40}") {
        let escape = |text: &str| -> String {
            text.bytes()
                .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") })
                .collect()
        };
        let raw: Vec<String> = pairs.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
        let raw = raw.join("&");
        let read: Vec<_> = Query::new(&raw).pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
        prop_assert_eq!(read, pairs);
        let _ = Query::new(&noise).pairs().count();
    }
}

#[test]
fn queries() {
    let query = Query::new(
        "EIO=4&transport=polling&t=abc&sid=&name=J%C3%B8rgen+B&&bad=%zz%4&flag&EIO=3&bytes=%ff",
    );
    assert_eq!(query.eio().as_deref(), Some("4"), "the first of two");
    assert_eq!(query.transport(), Some(Transport::Polling));
    assert_eq!(query.sid().as_deref(), Some(""));
    assert_eq!(query.get("name").as_deref(), Some("Jørgen B"));
    assert_eq!(query.get("bad").as_deref(), Some("%zz%4"));
    assert_eq!(query.get("flag").as_deref(), Some(""));
    assert_eq!(query.get("bytes").as_deref(), Some("\u{fffd}"));
    assert_eq!(query.get("token"), None);
    assert_eq!(Query::new("").pairs().count(), 0);
}

#[test]
fn requests_are_sorted_as_clients_expect() {
    use HandshakeError::{BadMethod, BadRequest, UnknownTransport, UnsupportedVersion};
    let sid = || "a".into();
    for (method, query, wants_websocket, expected) in [
        (
            "GET",
            "EIO=4&transport=polling",
            false,
            Ok(Request::Handshake(Transport::Polling)),
        ),
        (
            "GET",
            "EIO=4&transport=websocket",
            true,
            Ok(Request::Handshake(Transport::WebSocket)),
        ),
        (
            "GET",
            "EIO=4&transport=polling&sid=a",
            false,
            Ok(Request::Poll { sid: sid() }),
        ),
        (
            "POST",
            "EIO=4&transport=polling&sid=a",
            false,
            Ok(Request::Post { sid: sid() }),
        ),
        (
            "GET",
            "EIO=4&transport=websocket&sid=a",
            true,
            Ok(Request::Probe { sid: sid() }),
        ),
        ("GET", "EIO=4", false, Err(UnknownTransport)),
        ("GET", "", false, Err(UnknownTransport)),
        (
            "GET",
            "EIO=4&transport=webtransport",
            false,
            Err(UnknownTransport),
        ),
        ("GET", "transport=polling", false, Err(UnsupportedVersion)),
        (
            "GET",
            "EIO=3&transport=polling",
            false,
            Err(UnsupportedVersion),
        ),
        (
            "GET",
            "EIO=abc&transport=websocket",
            true,
            Err(UnsupportedVersion),
        ),
        ("POST", "EIO=4&transport=polling", false, Err(BadMethod)),
        ("PUT", "EIO=4&transport=polling", false, Err(BadMethod)),
        (
            "PUT",
            "EIO=4&transport=polling&sid=a",
            false,
            Err(BadRequest),
        ),
        ("GET", "EIO=4&transport=websocket", false, Err(BadRequest)),
        ("GET", "EIO=4&transport=polling", true, Err(BadRequest)),
        (
            "POST",
            "EIO=4&transport=websocket&sid=a",
            true,
            Err(BadRequest),
        ),
    ] {
        assert_eq!(
            route(method, Query::new(query), wants_websocket),
            expected,
            "{method} {query}"
        );
    }
    assert_eq!(
        UnknownTransport.body(),
        r#"{"code":0,"message":"Transport unknown"}"#
    );
    assert_eq!(
        UnsupportedVersion.body(),
        r#"{"code":5,"message":"Unsupported protocol version"}"#
    );
    assert_eq!(
        (
            HandshakeError::Forbidden.status(),
            HandshakeError::UnknownSid.status()
        ),
        (403, 400)
    );
}

#[test]
fn websocket_handshakes() {
    // The example of RFC 6455, section 1.3.
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(accept_key(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let good = Handshake {
        method: "GET",
        upgrade: Some("websocket"),
        connection: Some("keep-alive, Upgrade"),
        version: Some("13"),
        key: Some(key),
    };
    assert_eq!(good.check().as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    for (bad, refusal, status) in [
        (
            Handshake {
                method: "POST",
                ..good
            },
            HandshakeRefusal::Method,
            405,
        ),
        (
            Handshake {
                upgrade: None,
                ..good
            },
            HandshakeRefusal::Upgrade,
            400,
        ),
        (
            Handshake {
                upgrade: Some("h2c"),
                ..good
            },
            HandshakeRefusal::Upgrade,
            400,
        ),
        (
            Handshake {
                connection: Some("keep-alive"),
                ..good
            },
            HandshakeRefusal::Connection,
            400,
        ),
        (
            Handshake {
                version: Some("8"),
                ..good
            },
            HandshakeRefusal::Version,
            426,
        ),
        (
            Handshake {
                version: None,
                ..good
            },
            HandshakeRefusal::Version,
            426,
        ),
        (Handshake { key: None, ..good }, HandshakeRefusal::Key, 400),
        (
            Handshake {
                key: Some("c2hvcnQ="),
                ..good
            },
            HandshakeRefusal::Key,
            400,
        ),
        (
            Handshake {
                key: Some("****************nonce!=="),
                ..good
            },
            HandshakeRefusal::Key,
            400,
        ),
    ] {
        assert_eq!(bad.check(), Err(refusal));
        assert_eq!(refusal.status(), status);
    }
    assert!(
        Handshake {
            upgrade: Some("WebSocket"),
            ..Handshake::default()
        }
        .is_wanted()
    );
    assert!(!Handshake::default().is_wanted());
}
