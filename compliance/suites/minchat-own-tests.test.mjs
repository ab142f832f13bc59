// The tests that the vendor ships with the SDK, as they are, in a browser, against this server. They
// speak to http://localhost:4000, which the browser is told to look for at our port, and get their
// key from `/sdk-test`, which only the vendor's server has.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Browser, bundle, NO_BROWSER } from "../lib/browser.mjs";
import { within } from "../lib/inbox.mjs";
import { Server } from "../lib/server.mjs";

const PROGRAM = `
  import "./jest-words.mjs";
  import "@minchat/js/src/test/index.test.ts";
`;

/** Pages, and so tests that run side by side. */
const AT_ONCE = 4;

describe("the tests of @minchat/js in a browser", { skip: NO_BROWSER }, () => {
  let server;
  let browser;
  /** Those that run no test just now. Most tests mainly sleep. */
  const idle = [];
  before(async () => {
    server = await Server.start({ label: "minchat-own-tests", args: ["--demo"] });
    browser = await Browser.start([`--host-resolver-rules=MAP localhost:4000 127.0.0.1:${server.port}`]);
    const headers = { "access-control-allow-origin": "*" };
    const json = { apiKey: server.app.client_key, userId: "1" };
    const program = await bundle(PROGRAM);
    for (let n = 0; n < AT_ONCE; n += 1) {
      const page = await browser.open(program, (page) =>
        page.route("**/sdk-test", (route) => route.fulfill({ json, headers })),
      );
      await page.evaluate("sdkTests.begin()");
      idle.push(page);
    }
  });
  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  test("all of them", { concurrency: AT_ONCE }, async (t) => {
    const names = await idle[0].evaluate("sdkTests.names()");
    assert.equal(names.length, 19, "as many as this version has");
    const run = async (name) => {
      const page = idle.pop();
      try {
        await within(page.evaluate((it) => globalThis.sdkTests.run(it), name), "it to end", 20_000);
      } finally {
        idle.push(page);
      }
    };
    await Promise.all(names.map((name) => t.test(name, () => run(name))));
    await Promise.all(idle.map((page) => page.evaluate("sdkTests.end()")));
  });
});
