// A reporter for the runner: one line of JSON for each test that ended. Suites and files do not count.

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const { name, file, skip, todo, details } = data;
    // A file stands as a test in itself; it counts only if it broke outside of its tests.
    const isFile = details.type !== "suite" && data.nesting === 0 && name === file;
    const inner = details.error?.failureType === "subtestsFailed";
    if (inner || (type === "test:pass" && (details.type === "suite" || isFile) && skip === undefined)) continue;
    const outcome = type === "test:fail" ? "failed" : skip !== undefined || todo !== undefined ? "skipped" : "passed";
    yield `${JSON.stringify({ outcome, name, file, why: typeof skip === "string" ? skip : undefined })}\n`;
  }
}
