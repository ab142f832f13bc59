// The reference server: socket.io with its defaults on Node's HTTP server, nothing stored.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { serveRooms } from "./rooms.mjs";

const http = createServer();
serveRooms(new Server(http));
// Memory is asked for after a collection, so that garbage does not count.
process.on("SIGUSR2", () => globalThis.gc());
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});
