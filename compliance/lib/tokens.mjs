// JSON Web Tokens made by hand, good and bad.

import { createHmac } from "node:crypto";

const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token with these claims; `header` and `digest` can be made wrong. */
export function token(secret, claims, { header = { alg: "HS256", typ: "JWT" }, digest = "sha256" } = {}) {
  const signed = `${encode(header)}.${encode(claims)}`;
  const signature = secret === null ? "" : createHmac(digest, secret).update(signed).digest("base64url");
  return `${signed}.${signature}`;
}

export const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;
