// A real browser: Debian's Chromium, headless, with nothing left of an earlier run; and pages for it,
// which come from another origin than the server under test.

import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import esbuild from "esbuild";
import { chromium } from "playwright-core";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PROGRAM = [process.env.CHROMIUM, "/usr/bin/chromium"].find((place) => place && fs.existsSync(place));

/** For `skip` of suites: why there is no browser, or false. */
export const NO_BROWSER = PROGRAM ? false : "no Chromium (Debian: apt-get install chromium)";

/** It knocks at no door but ours. */
const FLAGS = [
  ...["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
];

/** A program for pages out of what is in `lib/page` and the packages, as text. */
export async function bundle(program) {
  const { outputFiles } = await esbuild.build({
    stdin: { contents: program, resolveDir: path.join(HERE, "page") },
    bundle: true,
    write: false,
    platform: "browser",
    logLevel: "error",
  });
  return outputFiles[0].text;
}

/** A browser, and the server of its pages. */
export class Browser {
  /** `flags` are Chromium's own. */
  static async start(flags = []) {
    const made = new Browser();
    made.chromium = await chromium.launch({ executablePath: PROGRAM, args: [...FLAGS, ...flags] });
    made.pages = http.createServer((_, answer) => {
      answer.setHeader("content-type", "text/html; charset=utf-8");
      answer.end("<!doctype html><title>A page</title>");
    });
    await new Promise((resolve) => made.pages.listen(0, "127.0.0.1", resolve));
    made.origin = `http://127.0.0.1:${made.pages.address().port}`;
    return made;
  }

  /**
   * A page with this program in it, and with storage of its own. `prepare` may do something to the page
   * before. What it complains of on its console is in `complaints`.
   */
  async open(program, prepare = async () => {}) {
    const context = await this.chromium.newContext();
    const page = await context.newPage();
    page.complaints = [];
    page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    await page.goto(this.origin);
    await prepare(page);
    await page.addScriptTag({ content: program });
    return page;
  }

  async stop() {
    await this.chromium?.close();
    this.pages?.close();
  }
}
