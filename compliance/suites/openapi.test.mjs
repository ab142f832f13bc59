// The description of the HTTP API, judged by somebody else, and one request that is made from it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Server } from "../lib/server.mjs";

let server;
before(async () => {
  server = await Server.start({ label: "openapi" });
});
after(() => server?.stop());

const described = async () => (await fetch(`${server.url}/openapi.json`)).json();

test("it is OpenAPI 3.1", async () => {
  const description = await described();
  assert.match(description.openapi, /^3\.1\./);
  const { valid, errors } = await new Validator().validate(description);
  assert.ok(valid, JSON.stringify(errors, null, 2));
});

test("a judge that finds nothing wrong would be none", async () => {
  const description = await described();
  delete description.info.title;
  const { valid } = await new Validator().validate(description);
  assert.equal(valid, false);
});

test("what is answered has the fields that are described", async () => {
  const { components, paths } = await described();
  const operation = paths["/v1/user"].post;
  const named = (schema) => components.schemas[schema.$ref.split("/").at(-1)];
  const body = named(operation.requestBody.content["application/json"].schema);
  assert.deepEqual(body.required, ["username"]);
  const answer = await fetch(`${server.url}/v1/user`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.app.client_key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ username: "ada", name: "Ada", avatar: "https://a.example/a.png", metadata: { a: 1 } }),
  });
  const { user } = await answer.json();
  const { properties, required } = named(named(operation.responses[answer.status].content["application/json"].schema).properties.user);
  for (const field of Object.keys(user)) assert.ok(field in properties, `${field} is not described`);
  for (const field of required) assert.ok(field in user, `${field} is not answered`);
});
