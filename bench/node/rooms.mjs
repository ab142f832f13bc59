// The rooms that the load client speaks to (measure/src/load/talk.rs), for any engine under
// socket.io: join a room, pass on what a client sends to everybody in a room, acknowledge.

export function serveRooms(io) {
  io.on("connection", (socket) => {
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack({ success: true });
    });
    socket.on("send", (message, ack) => {
      io.to(message.room_id).emit("new_message", message);
      ack({ success: true });
    });
  });
}
