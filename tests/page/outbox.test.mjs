/** What is kept of what the server has not accepted. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { forgetPending, pendingOf, pendingOfNew, savePending } from "chat/outbox.js";
import { hasUnkept, onTrouble } from "chat/storage.js";
import { Storage } from "./storage.mjs";

beforeEach(() => (globalThis.sessionStorage = new Storage()));

const state = (id, ticket, ...ids) => ({ conversation: { id, ticket }, pending: ids.map((each) => ({ id: each })) });
const ids = ({ items }) => items.map(({ id }) => id);

test("each conversation has its own, until the server has it", () => {
  savePending(state("a", "", "m1", "m2"));
  savePending(state("b", "", "m3"));
  assert.deepEqual([ids(pendingOf("a")), ids(pendingOf("b")), ids(pendingOf("c"))], [["m1", "m2"], ["m3"], []]);
  savePending(state("a", ""));
  assert.deepEqual(ids(pendingOf("a")), []);
});

test("nothing is left in the storage when nothing waits", () => {
  savePending(state("a", "", "m1"));
  savePending(state("a", ""));
  assert.equal(sessionStorage.getItem("chat.outbox"), null);
});

test("a page cut off before its first message was accepted comes back to its conversation", () => {
  savePending(state("a", "", "other"));
  savePending(state("n", "ticket", "m1"));
  assert.deepEqual([pendingOfNew().id, pendingOfNew().ticket, ids(pendingOfNew())], ["n", "ticket", ["m1"]]);
  forgetPending("n");
  assert.deepEqual(pendingOfNew(), { id: "", ticket: "", items: [] });
});

test("what was typed before there was an id moves to the conversation that gets it", () => {
  savePending(state("", "", "m1"));
  assert.deepEqual(ids(pendingOfNew()), ["m1"]);
  savePending(state("n", "ticket", "m1"));
  assert.deepEqual(ids(pendingOf("")), []);
  assert.deepEqual(ids(pendingOf("n")), ["m1"]);
});

test("what is no JSON in the storage is as if nothing were there", () => {
  sessionStorage.setItem("chat.outbox", "{");
  assert.deepEqual(pendingOf("a"), { id: "a", ticket: "", items: [] });
});

test("what a full storage does not take is kept as long as the page, and said once", () => {
  const told = [];
  onTrouble((problem) => told.push(problem));
  globalThis.sessionStorage = new Storage({ isFull: true });
  savePending(state("a", "", "m1"));
  savePending(state("a", "", "m1", "m2"));
  assert.deepEqual([ids(pendingOf("a")), hasUnkept(), told], [["m1", "m2"], true, ["full"]]);
  savePending(state("a", ""));
  assert.deepEqual([ids(pendingOf("a")), hasUnkept()], [[], false]);
});

test("a browser that forbids its storage has one as long as the page", () => {
  const told = [];
  onTrouble((problem) => told.push(problem));
  const forbidden = () => {
    throw new DOMException("forbidden", "SecurityError");
  };
  Object.defineProperty(globalThis, "sessionStorage", { get: forbidden, configurable: true });
  savePending(state("a", "", "m1"));
  assert.deepEqual([ids(pendingOf("a")), hasUnkept(), told], [["m1"], true, ["blocked"]]);
  savePending(state("a", ""));
  Object.defineProperty(globalThis, "sessionStorage", { value: new Storage(), writable: true });
  assert.deepEqual([ids(pendingOf("a")), hasUnkept()], [[], false]);
});
