npm install --silent socket.io-client && node --input-type=module <<'END'
import { io } from "socket.io-client";

const ada = "00000000-0000-4000-8000-00000000ada0", bob = "00000000-0000-4000-8000-000000000b0b";

function join(name, userId, targetUserId) {
  const socket = io("{url}", { auth: { appKey: "{key}" } });
  socket.on("connect_error", (error) => console.error(`${name} cannot connect:`, error.message));
  socket.on("error", ({ message }) => console.error(`${name} is told:`, message));
  socket.on("connect", () => socket.emit("join_chat", { userId, targetUserId }));
  socket.on("message_history", ({ messages }) => console.log(`${name} finds ${messages.length} earlier messages`));
  return new Promise((joined) => socket.once("room_joined", ({ roomId }) => {
    const say = (body) => socket.emit("send_message", { roomId, senderId: userId, body },
      ({ success }) => console.log(`${name}: "${body}" ${success ? "is on disk" : "was refused"}`));
    joined({ socket, say });
  }));
}

const one = await join("Ada", ada, bob), two = await join("Bob", bob, ada);
two.socket.once("new_message", ({ body }) => { console.log(`Bob hears "${body}"`); two.say("Hello Ada!"); });
one.socket.on("new_message", ({ sender_id, body }) => {
  if (sender_id !== bob) return;
  console.log(`Ada hears "${body}"`);
  setTimeout(() => { one.socket.close(); two.socket.close(); }, 200);
});
one.say("Hello Bob!");
END
