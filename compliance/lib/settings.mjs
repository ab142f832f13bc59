// The configuration file of a server under test, and the few settings that the suites change.

/** A table of tables as TOML. */
export function toToml(sections) {
  const lines = [];
  for (const [section, settings] of Object.entries(sections)) {
    lines.push(`[${section}]`);
    for (const [key, value] of Object.entries(settings)) lines.push(`${key} = ${toValue(value)}`);
    lines.push("");
  }
  return lines.join("\n");
}

function toValue(value) {
  if (Array.isArray(value)) return `[${value.map(toValue).join(", ")}]`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** Several of the objects below in one. */
export function settings(...parts) {
  const all = {};
  for (const part of parts) {
    for (const [section, values] of Object.entries(part)) all[section] = { ...all[section], ...values };
  }
  return all;
}

/** No limit on how fast a socket may send. */
export const UNLIMITED_RATES = {
  limits: { events_per_second: 0, per_ip_per_second: 0, per_app_per_second: 0, per_user_per_second: 0 },
};
