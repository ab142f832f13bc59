// The SDK in a page of another origin, in Chromium: forms and files as only a browser makes them, CORS
// as only a browser enforces it, and a line that breaks.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { Browser, bundle, NO_BROWSER } from "../lib/browser.mjs";
import { eventually, Inbox } from "../lib/inbox.mjs";
import { Api, PNG, username } from "../lib/minchat.mjs";
import { startProxy } from "../lib/proxy.mjs";
import { Server } from "../lib/server.mjs";

describe("@minchat/js in Chromium", { skip: NO_BROWSER }, () => {
  let server;
  let proxy;
  let browser;
  let program;
  const open = [];
  before(async () => {
    server = await Server.start({ label: "minchat-browser" });
    proxy = await startProxy(server.port);
    browser = await Browser.start();
    program = await bundle('import "./sdk-page.mjs";');
  });
  afterEach(async () => {
    for (const { page } of open.splice(0)) await page.context().close();
  });
  after(async () => {
    await browser?.stop();
    await proxy?.close();
    await server?.stop();
  });

  /** Somebody at a page of their own; each word of the page is a method here. */
  class Person {
    static async at(name, { url = server.url, ...user } = {}) {
      const person = new Person();
      person.page = await browser.open(program);
      person.inbox = new Inbox(name);
      open.push(person);
      const key = server.app.client_key;
      person.user = await person.call("connect", url, key, { username: username(name), name, ...user });
      return person;
    }

    call(word, ...args) {
      return this.page.evaluate(([it, them]) => globalThis.sdkPage[it](...them), [word, args]);
    }

    async expect(what, matches = () => true) {
      return eventually(`${this.user.name}'s page to be told of ${what}`, async () => {
        for (const item of await this.call("told")) this.inbox.push(item);
        const [found, ...more] = this.inbox.drain((item) => item.what === what && matches(item.value));
        for (const item of more) this.inbox.push(item);
        return found;
      });
    }
  }

  const fileOf = (name, type, bytes) => ({ name, type, base64: bytes.toString("base64") });

  test("two people talk, from another origin", async () => {
    const [ada, bob] = [await Person.at("Ada"), await Person.at("Bob", { metadata: { age: 40 } })];
    assert.notEqual(browser.origin, server.url);
    assert.deepEqual(bob.user.metadata, { age: 40 });
    const { id, title } = await ada.call("chat", bob.user.username);
    assert.equal(title, "Bob");
    assert.equal((await bob.call("chat", ada.user.username)).id, id);
    const sent = await ada.call("send", id, { text: "Hello", metadata: { n: 1 } });
    assert.equal(sent.success, true);
    assert.equal((await bob.expect("message")).value.id, sent.id);
    assert.deepEqual((await bob.expect("chat")).value, { title: "Ada", text: "Hello" });
    assert.deepEqual(await bob.call("messages", id), ["Hello"]);
    await bob.call("seen", id, sent.id);
    assert.equal((await ada.expect("seen")).value, sent.id);
    await bob.call("type", id);
    assert.equal((await ada.expect("typing")).value.id, bob.user.id);
    assert.equal((await ada.call("update", id, sent.id, "Hello!")).text, "Hello!");
    assert.equal((await bob.expect("update")).value.text, "Hello!");
    await ada.call("delete", id, sent.id);
    assert.equal((await bob.expect("delete")).value, sent.id);
    assert.equal((await bob.call("rename", bob.user.id, "Robert")).name, "Robert", "PATCH passes CORS");
    const group = await ada.call("groups", [bob.user.username], fileOf("tea.png", "image/png", PNG));
    assert.equal(group.removed, true, "DELETE passes CORS");
    for (const { page } of [ada, bob]) assert.deepEqual(page.complaints, []);
  });

  test("a File arrives byte for byte, and pages of other origins can show it", async () => {
    const avatar = fileOf("me.png", "image/png", PNG);
    const ada = await Person.at("Ada", { avatar });
    const bob = await Person.at("Bob");
    assert.match(ada.user.avatar, /^http.*\/media\/.*\.png$/);
    const { id } = await ada.call("chat", bob.user.username);
    await bob.call("chat", ada.user.username);
    const large = randomBytes(1_000_000);
    for (const [bytes, name, type, is] of [[PNG, "me.png", "image/png", "image"], [large, "data.bin", "", "file"]]) {
      const sent = await ada.call("send", id, { text: "look", file: fileOf(name, type, bytes) });
      assert.deepEqual([sent.file?.type, sent.file?.name], [is, name]);
      const { value } = await bob.expect("message");
      assert.deepEqual(value.file, sent.file);
      assert.equal(await bob.call("digest", value.file.url), createHash("sha256").update(bytes).digest("hex"));
    }
    const width = await bob.page.evaluate(
      (url) =>
        new Promise((resolve, reject) => {
          const picture = new Image();
          picture.onload = () => resolve(picture.naturalWidth);
          picture.onerror = () => reject(new Error("the picture does not load"));
          picture.src = url;
        }),
      ada.user.avatar,
    );
    assert.equal(width, 1);
  });

  test("a page can read errors, whatever was wrong", async () => {
    const ada = await Person.at("Ada");
    const wrong = await ada.call("failure", "fetchUser", username("nobody"));
    assert.deepEqual([wrong.status, wrong.data.success], [404, false]);
    const read = (path, options) =>
      ada.page.evaluate(
        async ([url, how]) => {
          const answer = await fetch(url, how);
          return { status: answer.status, body: await answer.json() };
        },
        [`${server.url}${path}`, options],
      );
    const key = { authorization: `Bearer ${server.app.client_key}` };
    const json = { ...key, "content-type": "application/json" };
    for (const [status, path, options] of [
      [401, "/v1/chat/list?user_id=x", { headers: { authorization: "Bearer pk_nothing" } }],
      [403, "/v1/keys", { headers: key }],
      [404, "/v1/nothing/here", { headers: key }],
      [415, "/v1/chat", { method: "POST", headers: { ...key, "content-type": "text/plain" }, body: "x" }],
      [422, "/v1/chat", { method: "POST", headers: json, body: "{" }],
      [422, "/v1/messages?page=0", { headers: key }],
    ]) {
      const answer = await read(path, options);
      assert.equal(answer.status, status, `${path}: ${JSON.stringify(answer.body)}`);
      assert.deepEqual(Object.keys(answer.body).sort(), ["code", "message", "success"], path);
      assert.equal(answer.body.success, false);
    }
  });

  test("a line that breaks: nothing is missed, nothing comes twice, and the page does nothing for it", async () => {
    const ada = await Person.at("Ada", { url: proxy.url });
    const bob = await new Api(server.url, server.app.client_key).user(username("bob"));
    const { id } = await ada.call("chat", bob.username);
    await ada.call("send", id, { text: "before" });
    const api = new Api(server.url, server.app.client_key);
    const say = (text) => api.ask("POST", "/v1/messages", { chat_id: id, user_id: bob.id, text });
    const heard = [];
    const hear = async (count) => {
      while (heard.length < count) heard.push((await ada.expect("message")).value.text);
    };
    for (const round of [0, 1, 2]) {
      await say(`${round} there`);
      await hear(heard.length + 1);
      if (round < 2) {
        proxy.goOffline();
        await say(`${round} away`);
        proxy.goOnline();
      } else {
        await server.kill();
        await server.up();
        await say(`${round} away`);
      }
      await ada.expect("connect", ({ recovered }) => recovered);
      await hear(heard.length + 1);
    }
    await say("last");
    await hear(7);
    assert.deepEqual(heard, ["0 there", "0 away", "1 there", "1 away", "2 there", "2 away", "last"]);
  });
});
