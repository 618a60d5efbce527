/** The one state: events in order, and what follows from them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { initialState } from "chat/state.js";
import { Store } from "chat/store.js";
import { connection, send } from "./frames.mjs";

const fresh = () => new Store(initialState(), () => 7);

test("a listener gets the state before and after, and no event that changed nothing", () => {
  const store = fresh();
  const seen = [];
  store.subscribe(({ before, state, event }) => seen.push([before.link.phase, state.link.phase, event.type]));
  store.dispatch(connection());
  store.dispatch({ type: "unknown" });
  assert.deepEqual(seen, [["connecting", "open", "connection"]]);
});

test("an event that follows from another is taken after it, and each listener sees them in order", () => {
  const store = fresh();
  const seen = [];
  store.subscribe(({ event }) => event.type === "connection" && store.dispatch(send("m1")));
  store.subscribe(({ event, state }) => seen.push([event.type, state.pending.length]));
  store.dispatch(connection());
  assert.deepEqual(seen, [
    ["connection", 0],
    ["page/send", 1],
  ]);
});

test("a listener that fails does not stop those that come later", () => {
  const store = fresh();
  store.subscribe(({ event }) => {
    if (event.type === "connection") throw new Error("broken");
  });
  assert.throws(() => store.dispatch(connection()), /broken/);
  store.dispatch(send("m1"));
  assert.equal(store.state.pending.length, 1);
});
