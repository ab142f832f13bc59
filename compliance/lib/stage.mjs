// A server with two bystanders on it, and bad clients that are all gone after each test. One stage per
// process: the names below are those of the stage that is up.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { Bystanders } from "./bystanders.mjs";
import { Clients } from "./client.mjs";
import { Line, RawWebSocket, request } from "./raw.mjs";
import { Server } from "./server.mjs";

export const MB = 1_000_000;

export let server;
export let game;
const raws = [];
export const clients = new Clients(() => server.url);

/** A server of its own, with people on it, for the tests of one `describe`. */
export function serve(options) {
  before(async () => {
    server = await Server.start({ label: "bad-input", ...options });
    game = await Bystanders.start(server.url, options?.identity === "verified" ? server.app.secret : undefined);
    await game.check();
  });
  after(async () => {
    game?.stop();
    await server?.stop();
  });
}

/** After each test its clients go, and the bystanders must not have noticed anything. */
export function checkEach() {
  afterEach(async () => {
    clearStage();
    await game.check();
    assert.equal(server.panics(), null);
  });
}

export function clearStage() {
  for (const raw of raws.splice(0)) raw.destroy();
  clients.closeAll();
}

export const keep = (raw) => {
  raws.push(raw);
  return raw;
};
export const openRaw = async (options) => keep(await RawWebSocket.open(server.port, options));
export const connectRaw = async (options) => keep(await RawWebSocket.connect(server.port, options));
export const get = (query, options) => request(server.port, "GET", `/socket.io/?${query}`, options);
export const line = () => keep(new Line(server.port));
