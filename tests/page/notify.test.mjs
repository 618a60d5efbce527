/** What tells of answers while the page is hidden. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Storage } from "./storage.mjs";

globalThis.localStorage = new Storage();
globalThis.document = { documentElement: { lang: "en" }, hidden: true, getElementById: () => null };
const { Notifier } = await import("chat/notify.js");

test("where only a service worker may notify, the switch goes off and says so", () => {
  globalThis.Notification = class {
    static permission = "granted";
    constructor() {
      throw new TypeError("Illegal constructor");
    }
  };
  localStorage.setItem("chat.notify", "on");
  const told = [];
  const box = { closest: () => ({}), addEventListener() {} };
  const notifier = new Notifier(box, { show: (text) => told.push(text) });
  assert.equal(box.checked, true);

  const status = { state: "idle", agent: "" };
  const state = { replayed: true, ask: null, status, conversation: { id: "c", title: "Sums", agent: null } };
  notifier.follow({ ...state, status: { ...status, state: "running" } }, state);

  assert.deepEqual(told, ["This browser tells of nothing while its page is hidden."]);
  assert.deepEqual([box.checked, notifier.isWanted], [false, false]);
});
