// A customer at a shop's page (`market`), and a vendor who uses `minchat` beside it: what each is told of what
// the other does in their chat about a product.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Clients, WAYS } from "../lib/client.mjs";
import { DETAILS, number, Person, product } from "../lib/market.mjs";
import { Api } from "../lib/minchat.mjs";
import { Server } from "../lib/server.mjs";

describe("market and minchat in one chat about a product", () => {
  let server;
  const clients = new Clients(() => server.url);
  before(async () => {
    server = await Server.start({ label: "matrix-products" });
  });
  afterEach(() => clients.closeAll());
  after(() => server?.stop());

  for (const way of WAYS) {
    test(`both ways: ${way.name}`, async () => {
      const [p, c, v] = [product(), number(), number()];
      const apiKey = server.app.client_key;
      const api = new Api(server.url, apiKey);
      const ann = await Person.come(clients, server, "customer", c, way);
      const { message: first, chat } = await ann.send(p, v, "Is it new?", DETAILS);

      // The vendor finds it in the other dialect, titled by the product.
      const { user: vendor } = await api.ask("GET", `/v1/user?username=vendor:${v}`);
      const { chats } = await api.ask("GET", `/v1/chat/list?user_id=${vendor.id}`);
      assert.deepEqual(chats.map(({ id, title }) => [id, title]), [[chat.id, DETAILS.productName]]);
      const desk = await clients.open({ name: "desk", ...way.options });
      const at = { channelId: chat.id, apiKey };
      assert.equal((await desk.ask("room.user.join", { channelUserId: vendor.id, apiKey })).success, true);
      assert.equal((await desk.ask("room.join", at)).success, true);

      // What the vendor does there.
      const said = await desk.ask("message", { chat_id: chat.id, user_id: vendor.id, text: "As good as.", apiKey });
      const heard = await ann.heard();
      assert.deepEqual([heard.id, heard.text, heard.senderId, heard.senderType], [said.id, "As good as.", v, "VENDOR"]);
      desk.emit("typing.start", { ...at, user: { id: vendor.id } });
      assert.equal((await ann.told("userTyping")).data.userId, v);
      desk.emit("message.seen", { lastMessageId: first.id, user: { id: vendor.id }, apiKey });
      assert.equal((await ann.told("updateReadReceipts")).data.userType, "VENDOR");
      desk.emit("message.update", { messageId: said.id, text: "New!", apiKey });
      await desk.expect("message.update");
      assert.deepEqual((await ann.chats())[0].messages.map(({ text, read }) => [text, read]), [["Is it new?", true], ["New!", false]]);
      desk.emit("message.delete", { messageId: said.id, apiKey });
      assert.equal((await ann.told("messageDeleted")).data.messageId, said.id);

      // What the customer does here.
      const { message } = await ann.send(p, v, "Thanks!");
      assert.equal((await desk.expect("message", ({ id }) => id === message.id)).text, "Thanks!");
      const told = await desk.expect("chat", ({ last_message: last }) => last.id === message.id);
      assert.equal(told.title, DETAILS.productName);
      for (const [event, other] of [["typing", "typing.start"], ["stoppedTyping", "typing.stop"]]) {
        ann.chat.emit(event, { productId: p, recipientId: v });
        assert.equal((await desk.expect(other)).username, `customer:${c}`);
      }
      const more = await desk.ask("message", { chat_id: chat.id, user_id: vendor.id, text: "Welcome", apiKey });
      await ann.heard();
      await ann.join(chat.id);
      assert.equal(await desk.expect("message.seen", (id) => id === more.id), more.id);
      await ann.chat.ask("deleteMessage", { productId: p, recipientId: v, messageId: message.id });
      assert.equal(await desk.expect("message.delete", (id) => id === message.id), message.id);
    });
  }
});
