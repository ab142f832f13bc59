// socket.io over Bun's own HTTP and WebSocket server, nothing stored.

import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { serveRooms } from "./rooms.mjs";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
serveRooms(io);
// Memory is asked for after a collection, so that garbage does not count.
process.on("SIGUSR2", () => Bun.gc(true));
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, ...engine.handler() });
console.log(`listening on http://127.0.0.1:${server.port}`);
