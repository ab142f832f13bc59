//! A server whose disk does not keep up takes no more connections for a while, and says so in the
//! one way after which clients try again by themselves: by HTTP, before there is a connection.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use server::{
    core::Core,
    hub::{Door, HubConfig},
    listen::{ListenConfig, ListenMetrics, Server},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{Instant, timeout},
};

use crate::client::{Client, DEADLINE, config};
use crate::gate::gated_core;

/// A listener before a core; ends when the sender is dropped.
async fn listen(core: &Core) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server {
        config: ListenConfig::default(),
        tls: None,
        router: Router::new(),
        accept: Arc::new(Door(Arc::clone(&core.hub))),
        metrics: Arc::new(ListenMetrics::default()),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    (address, stop)
}

/// What a client is told that wants to connect.
async fn handshake(address: SocketAddr) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n\
        Host: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Connects again and again, as clients do, until the answer begins so.
async fn handshake_until(address: SocketAddr, status: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = timeout(DEADLINE, handshake(address)).await.unwrap();
        if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "{status} never came: {answer}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_is_behind_takes_nobody_in_until_it_has_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let config = HubConfig {
        waiting_commands: 4,
        ..config()
    };
    let (gate, core) = gated_core(folder.path(), config).await;
    let (address, stop) = listen(&core).await;
    let mut client = Client::connect(&core).await;
    let (room, _) = client.join(1, 2).await;
    handshake_until(address, "200").await;
    assert_eq!(core.metrics.handshakes_refused.get(), 0);

    gate.hold();
    for count in 0..10 {
        client.say(&room, 1, &count.to_string());
    }
    let refusal = handshake_until(address, "503").await;
    assert!(
        refusal.to_lowercase().contains("\r\nretry-after: "),
        "{refusal}"
    );
    assert!(core.metrics.handshakes_refused.get() > 0);

    gate.open();
    handshake_until(address, "200").await;
    for count in 0..10 {
        let message = client.event("new_message").await;
        assert_eq!(message["body"], count.to_string());
    }
    drop(stop);
    core.stop().await;
}
