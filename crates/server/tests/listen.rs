//! The listener with scripted drivers: flushing, backpressure, limits, TLS, faults. What can be seen from outside with a
//! well-known driver is tested in `compliance/protocol`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "listen/client.rs"]
mod client;
#[path = "listen/script.rs"]
mod script;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use server::listen::{Close, HandshakeRefusal, ListenConfig, Peer, Refused};
use server::proxy::TrustedProxies;
use server::tls::Tls;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use client::{Client, Received, handshake, request, within};
use script::{Running, start};

fn config() -> ListenConfig {
    ListenConfig::default()
}

/// Times so short that many go by in a test.
fn hasty() -> ListenConfig {
    ListenConfig {
        ping_interval: Duration::from_millis(30),
        ping_timeout: Duration::from_millis(60),
        ..config()
    }
}

async fn poll(server: &Running, sid: &str) -> (u16, String) {
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let answer = request(server.address, "GET", &path, "", "").await;
    (answer.status, answer.body)
}

async fn post_body(server: &Running, sid: &str, body: &str) -> u16 {
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    request(server.address, "POST", &path, "", body)
        .await
        .status
}

#[tokio::test]
async fn a_poll_is_as_long_as_the_client_was_told_and_nothing_is_lost() {
    let mut config = config();
    config.limits.max_text_bytes = 1000;
    let server = start(config).await;
    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    let texts: Vec<String> = (0..10)
        .map(|i| format!("4{i}{}", "x".repeat(299)))
        .collect();
    for text in &texts {
        script.say(text);
    }
    let long = format!("4{}", "y".repeat(2999));
    script.say(&long);
    script.say("4end");
    let mut got = Vec::new();
    while got.last().is_none_or(|last| last != "4end") {
        let (status, body) = poll(&server, &sid).await;
        assert_eq!(status, 200);
        let packets: Vec<String> = body.split('\x1e').map(str::to_owned).collect();
        assert!(
            body.len() <= 1000 || packets.len() == 1,
            "{} bytes",
            body.len()
        );
        got.extend(packets);
    }
    let wanted: Vec<String> = texts.into_iter().chain([long, "4end".to_owned()]).collect();
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn what_a_poll_had_no_room_for_comes_over_the_websocket_after_an_upgrade() {
    let mut config = config();
    config.limits.max_text_bytes = 100;
    let server = start(config).await;
    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    for i in 0..20 {
        script.say(&format!("4{i:030}"));
    }
    let (_, first) = poll(&server, &sid).await;
    let taken = first.split('\x1e').count();
    assert!(taken < 20, "it is cut");
    let mut client = Client::open(server.address, &format!("&sid={sid}")).await;
    client.send_text("2probe").await;
    assert_eq!(client.next_text().await, "3probe");
    client.send_text("5").await;
    for i in taken..20 {
        assert_eq!(client.next_text().await, format!("4{i:030}"));
    }
}

#[tokio::test]
async fn a_shutdown_waits_for_answers_and_writes_them_before_the_end() {
    let server = start(config()).await;
    let mut client = Client::connect(server.address).await;
    let script = server.next_script().await;
    script.say("4before");
    script.set_pending(true);
    server.stop();
    assert_eq!(client.next_text().await, "4before");
    script.say("4the answer that was under way");
    script.set_pending(false);
    assert_eq!(client.next_text().await, "4the answer that was under way");
    assert_eq!(client.next().await, Received::Close(1001));
    drop(client);
    server.ended().await;
    assert_eq!(script.closed(), Some(Close::Shutdown));
}

#[tokio::test]
async fn a_shutdown_never_puts_the_close_packet_beside_events() {
    let server = start(config()).await;
    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    script.say("4one");
    script.say("4two");
    server.stop();
    // Sockets are closed after an answer now, and new ones taken as long as somebody is to be told.
    let (status, body) = poll(&server, &sid).await;
    assert_eq!((status, body.as_str()), (200, "4one\x1e4two"));
    let (status, body) = poll(&server, &sid).await;
    assert_eq!((status, body.as_str()), (200, "1"));
    server.ended().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_client_that_polls_no_more() {
    let server = start(ListenConfig {
        shutdown_timeout: Duration::from_hours(1),
        ..config()
    })
    .await;
    handshake(server.address).await;
    let script = server.next_script().await;
    script.say("4for nobody");
    server.stop();
    server.ended().await;
    assert_eq!(script.closed(), Some(Close::Shutdown));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever_for_a_client_that_takes_nothing() {
    let server = start(ListenConfig {
        shutdown_timeout: Duration::from_millis(200),
        ..config()
    })
    .await;
    let client = Client::connect(server.address).await;
    let script = server.next_script().await;
    for _ in 0..40 {
        script.say(&format!("4{}", "x".repeat(1_000_000)));
    }
    server.stop();
    server.ended().await;
    assert_eq!(script.closed(), Some(Close::Shutdown));
    drop(client);
}

#[tokio::test]
async fn the_last_words_of_a_driver_are_heard_over_websocket() {
    let server = start(config()).await;
    let mut client = Client::connect(server.address).await;
    let script = server.next_script().await;
    script.say("4you are banned");
    script.end(Close::Dismissed);
    assert_eq!(client.next_text().await, "4you are banned");
    assert_eq!(client.next().await, Received::Close(1000));
    drop(client);
    assert_eq!(script.wait_closed().await, Close::Dismissed);
}

#[tokio::test]
async fn the_last_words_of_a_driver_are_heard_over_polling() {
    for reason in [Close::Dismissed, Close::TakenOver, Close::Slow] {
        let server = start(config()).await;
        let sid = handshake(server.address).await;
        let script = server.next_script().await;
        script.say("4you are banned");
        script.end(reason.clone());
        assert_eq!(
            poll(&server, &sid).await,
            (200, "4you are banned".to_owned())
        );
        assert_eq!(poll(&server, &sid).await, (200, "1".to_owned()));
        assert_eq!(poll(&server, &sid).await.0, 400);
        assert_eq!(script.wait_closed().await, reason);
    }
}

#[tokio::test]
async fn who_may_not_be_read_is_not_read_and_not_blamed_for_it() {
    let server = start(hasty()).await;
    let mut client = Client::connect(server.address).await;
    let script = server.next_script().await;
    script.set_wants_input(false);
    // Waits in our buffers, the pongs to come behind it.
    client.send_text("4too early").await;
    // Another client's heartbeat is the clock: many timeouts go by.
    let mut clock = Client::connect(server.address).await;
    for _ in 0..12 {
        assert_eq!(clock.next_text().await, "2");
        clock.send_text("3").await;
    }
    assert_eq!(script.closed(), None);
    assert_eq!(script.received(), Vec::<String>::new());
    script.set_wants_input(true);
    client.send_text("3").await;
    script.wait_received("too early").await;
    assert_eq!(client.next_text().await, "2");
    // From here on it is to blame.
    assert_eq!(script.wait_closed().await, Close::PingTimeout);
}

#[tokio::test]
async fn a_post_waits_while_its_client_may_not_be_read() {
    let server = start(config()).await;
    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    script.set_wants_input(false);
    script.say("4meanwhile");
    let (posted, polled) = tokio::join!(post_body(&server, &sid, "4one\x1e4two"), async {
        let polled = poll(&server, &sid).await;
        assert_eq!(script.received(), Vec::<String>::new());
        script.set_wants_input(true);
        polled
    });
    assert_eq!(polled, (200, "4meanwhile".to_owned()));
    assert_eq!(posted, 200);
    assert_eq!(script.received(), ["one", "two"]);
}

#[tokio::test]
async fn what_was_posted_before_an_upgrade_is_received_before_what_came_after() {
    let server = start(config()).await;
    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    script.set_wants_input(false);
    let posting = post_body(&server, &sid, "4one\x1e4two");
    let upgrading = async {
        let mut client = Client::open(server.address, &format!("&sid={sid}")).await;
        client.send_text("2probe").await;
        assert_eq!(client.next_text().await, "3probe");
        client.send_text("5").await;
        client.send_text("4three").await;
        script.say("4over");
        assert_eq!(client.next_text().await, "4over");
        script.set_wants_input(true);
        script.wait_received("three").await;
        client
    };
    let (posted, _client) = tokio::join!(posting, upgrading);
    assert_eq!(posted, 200);
    assert_eq!(script.received(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_post_does_not_keep_back_the_upgrade_that_it_waits_for() {
    let server = start(config()).await;
    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    // As a driver that reads on when its answers have gone, for which there is no way before the upgrade.
    script.set_wants_input(false);
    let mut client = Client::open(server.address, &format!("&sid={sid}")).await;
    client.send_text("2probe").await;
    assert_eq!(client.next_text().await, "3probe");
    for body in ["4one", "4two\x1e4three", "4four"] {
        assert_eq!(post_body(&server, &sid, body).await, 200, "{body}");
    }
    client.send_text("5").await;
    client.send_text("4five").await;
    script.say("4answers");
    assert_eq!(client.next_text().await, "4answers");
    assert_eq!(script.received(), Vec::<String>::new());
    script.set_wants_input(true);
    script.wait_received("five").await;
    assert_eq!(script.received(), ["one", "two", "three", "four", "five"]);
}

#[tokio::test]
async fn an_answered_heartbeat_is_told_to_the_driver() {
    let server = start(hasty()).await;
    let mut client = Client::connect(server.address).await;
    let script = server.next_script().await;
    for round in 1..4 {
        assert_eq!(client.next_text().await, "2");
        client.send_text("3").await;
        script.wait_ponged(round).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wake_is_never_lost_even_before_the_task_has_begun() {
    let server = Arc::new(start(config()).await);
    server.say_at_open("4early");
    let clients = (0..200).map(|_| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let mut client = Client::connect(server.address).await;
            assert_eq!(client.next_text().await, "4early");
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_output_comes_whole_through_many_partial_writes() {
    let server = start(config()).await;
    let mut client = Client::connect(server.address).await;
    let script = server.next_script().await;
    let length = |i: usize| (i * 7919) % 3000;
    for i in 0..20_000 {
        script.say_quietly(&format!("4{i}:{}", "z".repeat(length(i))));
    }
    script.wake();
    for i in 0..20_000 {
        assert_eq!(
            client.next_text().await,
            format!("4{i}:{}", "z".repeat(length(i)))
        );
    }
    let writes = server.metrics.writes.get();
    assert!(writes < 5_000, "{writes} writes for 20,000 frames");
}

#[tokio::test]
async fn a_driver_that_panics_ends_its_own_connection_only() {
    let server = start(config()).await;
    let mut bad = Client::connect(server.address).await;
    let bad_script = server.next_script().await;
    let mut good = Client::connect(server.address).await;
    let good_script = server.next_script().await;
    bad.send_text("4panic").await;
    assert_eq!(bad_script.wait_closed().await, Close::Fault);
    assert_eq!(bad.next().await, Received::End);
    good_script.say("4alive");
    assert_eq!(good.next_text().await, "4alive");
    assert_eq!(server.metrics.websocket.get(), 1);
}

#[tokio::test]
async fn a_connection_that_never_connects_is_closed_by_its_driver() {
    let mut config = config();
    config.limits.connect_timeout = Duration::from_millis(50);
    let server = start(config).await;
    let mut client = Client::connect(server.address).await;
    let script = server.next_script().await;
    assert_eq!(client.next().await, Received::Close(4003));
    assert_eq!(script.wait_closed().await, Close::NoConnect);
    assert_eq!(server.metrics.closed(&Close::NoConnect), 1);
}

#[tokio::test]
async fn a_driver_may_be_refused_before_there_is_a_connection() {
    let server = start(config()).await;
    for (refusal, status) in [
        (HandshakeRefusal::Overload, 503),
        (HandshakeRefusal::Unavailable, 503),
        (HandshakeRefusal::Forbidden, 403),
    ] {
        server.refuse(Some(refusal));
        let path = "/socket.io/?EIO=4&transport=polling";
        let answer = request(server.address, "GET", path, "", "").await;
        assert_eq!(answer.status, status);
    }
    server.refuse(None);
    handshake(server.address).await;
    assert_eq!(server.metrics.polling.get(), 1);
}

#[tokio::test]
async fn places_are_counted_behind_trusted_proxies() {
    let server = start(ListenConfig {
        max_connections_per_ip: 2,
        proxies: TrustedProxies::parse(&["127.0.0.1".to_owned()]).unwrap(),
        ..config()
    })
    .await;
    let open = async |ip: &str| {
        let path = "/socket.io/?EIO=4&transport=polling";
        let header = format!("x-forwarded-for: 198.51.100.9, {ip}\r\n");
        let answer = request(server.address, "GET", path, &header, "").await;
        answer.status
    };
    assert_eq!(open("192.0.2.1").await, 200);
    assert_eq!(open("192.0.2.1").await, 200);
    assert_eq!(open("192.0.2.1").await, 503);
    assert_eq!(open("192.0.2.2").await, 200);
    assert_eq!(server.metrics.refused(Refused::PerIp), 1);
    assert_eq!(
        server.next_script().await.peer().ip.to_string(),
        "192.0.2.1"
    );
}

#[tokio::test]
async fn sockets_above_the_limit_are_told_so() {
    let server = start(ListenConfig {
        max_sockets: 1,
        ..config()
    })
    .await;
    let held = TcpStream::connect(server.address).await.unwrap();
    let mut late = TcpStream::connect(server.address).await.unwrap();
    let mut answer = String::new();
    within("a refusal", late.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(held);
}

#[tokio::test]
async fn a_head_or_a_body_that_does_not_come_is_not_waited_for() {
    let server = start(ListenConfig {
        header_timeout: Duration::from_millis(100),
        body_timeout: Duration::from_millis(100),
        ..config()
    })
    .await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let mut answer = Vec::new();
    within("the end of the socket", slow.read_to_end(&mut answer))
        .await
        .unwrap();

    let sid = handshake(server.address).await;
    let script = server.next_script().await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost\r\ncontent-length: 9\r\n\r\n4hel"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    within("an answer", slow.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(script.wait_closed().await, Close::TransportError);

    let path = "/echo";
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\ncontent-length: 9\r\n\r\nhel");
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 10];
    within("an answer", slow.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 4");
}

#[tokio::test]
async fn the_router_learns_who_asks() {
    let router = Router::new().route(
        "/who",
        get(|request: Request| async move {
            let peer = request.extensions().get::<Peer>().unwrap();
            let agent = peer.user_agent.as_deref().unwrap_or("nobody");
            let host = peer.host.as_deref().unwrap_or("nowhere");
            format!(
                "{} {agent} {host} {:?} {}",
                peer.ip,
                peer.query("q").as_deref(),
                peer.secure
            )
        }),
    );
    let server = script::start_with(
        ListenConfig {
            proxies: TrustedProxies::parse(&["127.0.0.0/8".to_owned()]).unwrap(),
            ..config()
        },
        router,
        None,
    )
    .await;
    let headers = "user-agent: me\r\nx-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n";
    let answer = request(server.address, "GET", "/who?q=a%20b", headers, "").await;
    assert_eq!(answer.body, r#"192.0.2.7 me localhost Some("a b") true"#);
}

#[tokio::test]
async fn a_handshake_tells_the_driver_who_comes() {
    let server = start(config()).await;
    let path = "/socket.io?EIO=4&transport=polling&appKey=ck%2F1";
    let headers = "user-agent: me\r\ntoken: secret\r\norigin: http://localhost:5173\r\n";
    let answer = request(server.address, "GET", path, headers, "").await;
    assert_eq!(answer.status, 200);
    let peer = server.next_script().await.peer();
    assert_eq!(peer.query("appKey").as_deref(), Some("ck/1"));
    assert_eq!(peer.token.as_deref(), Some("secret"));
    assert_eq!(peer.origin.as_deref(), Some("http://localhost:5173"));
    assert_eq!(&*peer.path, "/socket.io");
}

fn tls_file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tls")
        .join(name)
}

/// A connection to a server that must have the certificate of that name.
async fn tls_connect(
    server: &Running,
    certificate: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(tls_file(certificate)).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    within("a TLS handshake", handshake).await
}

#[tokio::test]
async fn tls_carries_websockets_and_its_certificate_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["crt", "key"].map(|end| folder.path().join(end));
    let install = |name: &str| {
        for (path, end) in paths.iter().zip(["crt", "key"]) {
            std::fs::copy(tls_file(&format!("{name}.{end}")), path).unwrap();
        }
    };
    install("first");
    let tls = Arc::new(Tls::load(&paths[0], &paths[1]).unwrap());
    let server = script::start_with(config(), Router::new(), Some(Arc::clone(&tls))).await;

    let mut client = Client::over(tls_connect(&server, "first.crt").await.unwrap(), "").await;
    assert!(client.next_text().await.starts_with('0'));
    let script = server.next_script().await;
    assert!(script.peer().secure);
    // More than the kernel takes at once, so that TLS has to hold some back.
    let text = format!("4{}", "x".repeat(900_000));
    for _ in 0..10 {
        script.say(&text);
    }
    for _ in 0..10 {
        assert_eq!(client.next_text().await, text);
    }

    // A pair that does not fit together is not taken.
    std::fs::copy(tls_file("second.crt"), &paths[0]).unwrap();
    assert!(tls.reload().is_err());
    tls_connect(&server, "first.crt").await.unwrap();

    install("second");
    tls.reload().unwrap();
    tls_connect(&server, "first.crt").await.unwrap_err();
    let mut fresh = Client::over(tls_connect(&server, "second.crt").await.unwrap(), "").await;
    assert!(fresh.next_text().await.starts_with('0'));
    client.send_text("4still here").await;
    script.wait_received("still here").await;
}

#[test]
fn tls_says_which_file_is_wrong() {
    let missing = Tls::load(&tls_file("none.crt"), &tls_file("first.key")).unwrap_err();
    assert!(missing.contains("none.crt"), "{missing}");
    let swapped = Tls::load(&tls_file("first.key"), &tls_file("first.crt")).unwrap_err();
    assert!(swapped.contains("first.key"), "{swapped}");
    let mixed = Tls::load(&tls_file("first.crt"), &tls_file("second.key")).unwrap_err();
    assert!(mixed.contains("second.key"), "{mixed}");
}

/// What tests without routes of their own serve.
fn routes() -> Router {
    Router::new().route("/echo", post(|body: String| std::future::ready(body)))
}
