// Two well-behaved people who play ping-pong while somebody else misbehaves.

import assert from "node:assert/strict";
import { Client } from "./client.mjs";
import { join, person } from "./direct.mjs";
import { within } from "./inbox.mjs";
import { token } from "./tokens.mjs";

export class Bystanders {
  /** `secret` is that of a verified app. */
  static async start(url, secret) {
    const game = new Bystanders();
    const [a, b] = [person(), person()];
    const auth = (sub) => (secret ? { token: token(secret, { sub }) } : {});
    game.players = [
      await Client.open(url, { name: "ping", transports: ["websocket"], auth: auth(a) }),
      await Client.open(url, { name: "pong", transports: ["polling"], auth: auth(b) }),
    ];
    const { roomId } = await join(game.players[0], a, b);
    await join(game.players[1], b, a);
    game.rounds = 0;
    game.lost = [];
    game.waiters = [];
    const serve = (at) => {
      const senderId = at === 0 ? a : b;
      game.players[at].socket.emit("send_message", { roomId, senderId, body: `${game.rounds}` });
    };
    game.players.forEach((player, at) => {
      player.socket.on("disconnect", (reason) => game.lost.push(`${player.name}: ${reason}`));
      player.socket.on("error", (error) => game.lost.push(`${player.name}: ${error.message}`));
      player.socket.on("new_message", (message) => {
        player.inbox.drain();
        if (game.over || message.sender_id === (at === 0 ? a : b)) return;
        if (message.body !== `${game.rounds}`) game.lost.push(`${message.body} instead of ${game.rounds}`);
        game.rounds += 1;
        game.waiters = game.waiters.filter((waiter) => !waiter());
        // Below the default rate of a socket.
        game.timer = setTimeout(() => !game.over && serve(at), 25);
      });
    });
    serve(0);
    return game;
  }

  /** The game goes on: some more rounds are played, and nobody was disconnected since the start. */
  async check(rounds = 4, ms = 5_000) {
    const goal = this.rounds + rounds;
    await within(
      new Promise((resolve) =>
        this.waiters.push(() => {
          if (this.rounds < goal) return false;
          resolve();
          return true;
        }),
      ),
      `bystanders to play ${rounds} more rounds`,
      ms,
    );
    assert.deepEqual(this.lost, [], "bystanders noticed");
  }

  stop() {
    this.over = true;
    clearTimeout(this.timer);
    for (const player of this.players) player.close();
  }
}
