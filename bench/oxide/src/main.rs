//! The rooms that the load client speaks to (`measure/src/load/talk.rs`), served by `socketioxide`
//! with its defaults: join a room, pass on what a client sends to everybody in a room, acknowledge.

use std::io::{self, Write};

use axum::Router;
use serde::{Deserialize, Serialize};
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Deserialize, Serialize)]
struct Message {
    id: String,
    room_id: String,
    sender_id: String,
    body: String,
    created_at: String,
}

#[derive(Serialize)]
struct Done {
    success: bool,
}

const DONE: Done = Done { success: true };

#[tokio::main]
async fn main() -> io::Result<()> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{}", listener.local_addr()?)?;
    out.flush()?;
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |stream| {
            // As everybody else does; the frames are small.
            let _ = stream.set_nodelay(true);
        }),
        Router::new().layer(layer),
    )
    .await
}

async fn connected(socket: SocketRef) {
    socket.on(
        "join",
        async |socket: SocketRef, Data(room): Data<String>, ack: AckSender| {
            socket.join(room);
            // A client that is gone needs no answer.
            let _ = ack.send(&DONE);
        },
    );
    socket.on(
        "send",
        async |io: SocketIo, Data(message): Data<Message>, ack: AckSender| {
            // Readers whose buffer is full are an error here; the load client counts what they miss.
            let _ = io
                .to(message.room_id.clone())
                .emit("new_message", &message)
                .await;
            let _ = ack.send(&DONE);
        },
    );
}
