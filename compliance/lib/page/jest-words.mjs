// As much of Jest as the SDK's own tests use, in a page: they are collected here, and run one by one
// when they are asked for.

const tests = new Map();
const befores = [];
const afters = [];
/** The test that runs: what fails in one of its listeners is told to it. */
let fail = () => {};

globalThis.describe = (_, define) => define();
globalThis.beforeAll = (act) => befores.push(act);
globalThis.afterAll = (act) => afters.push(act);
globalThis.it = (name, act) => tests.set(name, act);

/** Equal but for keys without a value. */
function isEqual(one, other) {
  if (Object.is(one, other)) return true;
  if (one instanceof Date && other instanceof Date) return one.getTime() === other.getTime();
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  if (Array.isArray(one) !== Array.isArray(other) || (Array.isArray(one) && one.length !== other.length)) return false;
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].every((key) => isEqual(one[key], other[key]));
}

const MATCHERS = {
  toEqual: isEqual,
  toBe: Object.is,
  toBeDefined: (value) => value !== undefined,
  toBeFalsy: (value) => !value,
  toBeGreaterThanOrEqual: (value, least) => value >= least,
};

globalThis.expect = (value) => {
  const matchers = (wanted) =>
    Object.fromEntries(
      Object.entries(MATCHERS).map(([name, matches]) => [
        name,
        (...args) => {
          if (matches(value, ...args) === wanted) return;
          const words = `expected ${JSON.stringify(value)} ${wanted ? "" : "not "}${name} ${JSON.stringify(args)}`;
          const error = new Error(words);
          fail(error);
          throw error;
        },
      ]),
    );
  return { ...matchers(true), not: matchers(false) };
};

globalThis.addEventListener("unhandledrejection", ({ reason }) => fail(reason));

globalThis.sdkTests = {
  names: () => [...tests.keys()],
  begin: () => Promise.all(befores.map((act) => act())),
  end: () => Promise.all(afters.map((act) => act())),
  run: (name) =>
    new Promise((resolve, reject) => {
      fail = reject;
      const act = tests.get(name);
      if (act.length > 0) act(resolve);
      else act().then(resolve, reject);
    }),
};
