// Runs all suites against a binary, and says in one line what came of it.
//
//   PALAVER_BIN      the server; else target/release/palaver or target/debug/palaver
//   PALAVER_LOAD     the load client (`cargo build --example load`); else beside the server
//   PALAVER_FIXTURE  the protocol fixture (`cargo build --example protocol-fixture`); else beside the server
//   CI=true          nothing may be skipped
//   KILLS, SEED      see lib/long-run.mjs
//
// Arguments choose suites by a part of their name: `node run.mjs direct operate`.

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const WORK = path.join(HERE, ".work");
const LOGS = path.join(WORK, "logs");
const CI = process.env.CI === "true";
const wanted = process.argv.slice(2);

const skipped = [];
const say = (text) => process.stdout.write(`${text}\n`);

function skip(what) {
  skipped.push(what);
  say(`SKIPPED: ${what}`);
}

/** Does something once for each content of `source`; a stamp says that it was done. */
function once(name, source, act) {
  const stamp = path.join(WORK, `${name}.stamp`);
  const digest = createHash("sha256").update(fs.readFileSync(source)).digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === digest) return;
  act();
  fs.writeFileSync(stamp, digest);
}

const shell = (command, args, cwd = HERE) => execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });

function installNode(folder, name) {
  const missing = !fs.existsSync(path.join(folder, "node_modules"));
  const stamp = path.join(WORK, `${name}.stamp`);
  if (missing) fs.rmSync(stamp, { force: true });
  once(name, path.join(folder, "package-lock.json"), () => {
    say(`npm ci in ${path.relative(process.cwd(), folder) || "."}`);
    shell("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], folder);
  });
}

function installPython() {
  const venv = path.join(HERE, ".venv");
  if (!fs.existsSync(path.join(venv, "bin/python"))) fs.rmSync(path.join(WORK, "python.stamp"), { force: true });
  try {
    once("python", path.join(HERE, "requirements.txt"), () => {
      say("python3 -m venv, pip install");
      shell("python3", ["-m", "venv", "--clear", venv]);
      shell(path.join(venv, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]);
    });
  } catch (error) {
    fs.rmSync(venv, { recursive: true, force: true });
    skip(`python-socketio: no environment for it (Debian: apt-get install python3-venv): ${error.message}`);
  }
}

/** The first of these that is there. */
const find = (...places) => places.find((place) => place && fs.existsSync(place));

function findBinaries() {
  const target = (profile, name) => path.join(HERE, "../target", profile, name);
  const bin = find(process.env.PALAVER_BIN, target("release", "palaver"), target("debug", "palaver"));
  if (!bin) {
    say("no palaver binary: cargo build, or set PALAVER_BIN");
    process.exit(2);
  }
  process.env.PALAVER_BIN = path.resolve(bin);
  const beside = (name) => path.join(path.dirname(process.env.PALAVER_BIN), "examples", name);
  for (const [variable, name] of [["PALAVER_LOAD", "load"], ["PALAVER_FIXTURE", "protocol-fixture"]]) {
    const found = find(process.env[variable], beside(name), target("release", `examples/${name}`), target("debug", `examples/${name}`));
    if (found) process.env[variable] = path.resolve(found);
    else delete process.env[variable];
  }
}

const suitesIn = (folder) =>
  fs.existsSync(folder)
    ? fs
        .readdirSync(folder)
        .filter((name) => /\.test\.m?js$/.test(name))
        .map((name) => path.join(folder, name))
        .filter((file) => wanted.length === 0 || wanted.some((part) => path.basename(file).includes(part)))
    : [];

function chooseSuites() {
  const files = suitesIn(path.join(HERE, "suites"));
  const protocol = path.join(HERE, "protocol");
  const more = suitesIn(protocol);
  if (more.length === 0) return files;
  if (!process.env.PALAVER_FIXTURE) {
    skip("the protocol suites: no fixture (cargo build --example protocol-fixture)");
    return files;
  }
  installNode(protocol, "node-protocol");
  return [...more, ...files];
}

/**
 * Runs them one after the other: they share two processors with the server that they watch. A test
 * that fails may leave clients behind that try again for ever, hence the forced exit.
 */
function runSuites(files) {
  const events = path.join(WORK, "events.jsonl");
  fs.rmSync(events, { force: true });
  const { status, error } = spawnSync(
    process.execPath,
    [
      ...["--test", "--test-force-exit", "--test-concurrency=1"],
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...[`--test-reporter=${path.join(HERE, "lib/events.mjs")}`, `--test-reporter-destination=${events}`],
      ...files,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  if (error) throw error;
  const ended = fs.readFileSync(events, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const those = (outcome) => ended.filter((test) => test.outcome === outcome);
  return { status, passed: those("passed"), failed: those("failed"), skipped: those("skipped") };
}

fs.mkdirSync(WORK, { recursive: true });
findBinaries();
installNode(HERE, "node");
installPython();
fs.rmSync(LOGS, { recursive: true, force: true });
process.env.PALAVER_LOGS = LOGS;

const files = chooseSuites();
say(`${process.env.PALAVER_BIN}: ${files.map((file) => path.relative(HERE, file).replace(/\.test\.m?js$/, "")).join(", ")}`);
const { status, passed, failed, skipped: left } = runSuites(files);
for (const { name, why } of left) skip(why ? `${name}: ${why}` : name);

if (failed.length > 0) {
  say("");
  for (const { file, name } of failed) say(`FAILED: ${path.relative(HERE, file ?? "")}: ${name}`);
  say(`server logs: ${LOGS}`);
} else fs.rmSync(LOGS, { recursive: true, force: true });

const broken = passed.length === 0 || (status !== 0 && failed.length === 0);
if (broken) say(`the suites did not come to an end: status ${status}`);
if (CI && skipped.length > 0) say("nothing may be skipped when CI=true");
say(`${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped`);
process.exitCode = broken || failed.length > 0 || (CI && skipped.length > 0) ? 1 : 0;
