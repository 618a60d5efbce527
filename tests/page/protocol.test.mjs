/** What the page sends. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  MAX_FRAME_BYTES,
  answerFrame,
  commandFrame,
  isSendable,
  messageFrame,
  newId,
  socketUrl,
  syncFrame,
} from "chat/protocol.js";

const address = (target, href = "https://chat.test/c/1/") => {
  globalThis.location = new URL(href);
  return new URL(socketUrl({ path: "/ws/chat/", ...target }));
};
const query = (target) => {
  const { tz, ...others } = Object.fromEntries(address(target).searchParams);
  assert.equal(tz, Intl.DateTimeFormat().resolvedOptions().timeZone);
  return others;
};

test("the socket is on this site, and safe where the page is", () => {
  assert.equal(address({}).origin, "wss://chat.test");
  assert.equal(address({}, "http://chat.test:8000/").host, "chat.test:8000");
  assert.equal(address({}, "http://chat.test:8000/").protocol, "ws:");
});

test("a new conversation names its agent, a known one what the page has of it", () => {
  assert.deepEqual(query({ agent: "sales" }), { v: "1", html: "1", agent: "sales" });
  assert.deepEqual(query({ agent: "sales", conversation: "c", ticket: "t", after: 7 }), {
    v: "1",
    html: "1",
    conversation: "c",
    ticket: "t",
    after: "7",
  });
});

test("frames have the names of the protocol", () => {
  assert.deepEqual(messageFrame("m", "hi"), { type: "message", message_id: "m", content: "hi" });
  assert.deepEqual(answerFrame("m", "r", { approved: true }), {
    type: "answer",
    message_id: "m",
    request_id: "r",
    approved: true,
  });
  assert.deepEqual(commandFrame("edit", { content: "x" }), { type: "command", command: "edit", content: "x" });
  assert.deepEqual(syncFrame("m"), { type: "sync", message_id: "m" });
});

test("an id is a random UUID, also where the browser makes none", (t) => {
  const version4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(newId(), version4);
  t.mock.method(crypto, "randomUUID", undefined);
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  const ids = Array.from({ length: 50 }, newId);
  delete crypto.randomUUID;
  for (const id of ids) assert.match(id, version4);
  assert.equal(new Set(ids).size, 50);
});

test("what is longer than the server reads is not sent", () => {
  const codes = readFileSync(new URL("../../chat/wire/codes.py", import.meta.url), "utf8");
  assert.ok(codes.includes(`MAX_COMMAND_BYTES = ${MAX_FRAME_BYTES / 1024} * 1024`));
  assert.ok(isSendable(messageFrame("1", "a".repeat(MAX_FRAME_BYTES - 200))));
  assert.ok(!isSendable(messageFrame("1", "ä".repeat(MAX_FRAME_BYTES / 2))));
});
