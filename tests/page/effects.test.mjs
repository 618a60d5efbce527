/** What follows from a change of the state. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { follow } from "chat/effects.js";
import { initialState } from "chat/state.js";
import { Store } from "chat/store.js";
import { answer, connection, head, html, send, start, status, user } from "./frames.mjs";

/** A page whose parts write down what is asked of them. */
function pageOf(options = {}) {
  const done = [];
  const note =
    (name) =>
    (...args) =>
      done.push([name, ...args]);
  let now = 1000;
  const store = new Store(initialState({ now, ...options }), () => now);
  const page = {
    store,
    connection: { open: () => note("open")(store.state.conversation.id), send: note("send") },
    composer: { accepted: note("accepted") },
    outbox: { savePending: ({ pending }) => note("save")(pending.length), forgetPending: note("forget") },
    router: { replace: note("replace") },
    toasts: { show: note("toast") },
    announcer: { follow: () => {} },
    showEnd: note("end"),
    flush: note("flush"),
  };
  store.subscribe((change) => follow(page, change));
  const play = (...events) => {
    for (const event of events) store.dispatch(event);
    return done.splice(0);
  };
  return { page, play, later: (ms) => (now += ms) };
}

const names = (done) => done.map(([name]) => name);

test("when the connection opens, what waits is sent", () => {
  assert.ok(names(pageOf().play(connection())).includes("flush"));
});

test("only after a long break the page says that it is complete", () => {
  for (const [ms, said] of [
    [9_000, false],
    [11_000, true],
  ]) {
    const { play, later } = pageOf();
    play(connection(), user(1, "u1"), { type: "page/link", link: { phase: "waiting" } });
    later(ms);
    assert.equal(names(play(connection({ seq: 1, head: "u1", resumed: true }))).includes("toast"), said);
  }
});

test("what waits is kept whenever it changes", () => {
  const { play } = pageOf();
  assert.deepEqual(play(send("m1")), [["save", 1]]);
  assert.deepEqual(names(play(status("running", "u1"))), []);
});

test("what waits for a lost conversation goes to a new one", () => {
  const pending = [{ id: "m1", frame: { content: "x" }, state: "queued", at: 0 }];
  const { page, play } = pageOf({ id: "gone", ticket: "old", pending });
  const done = play({ type: "page/link", link: { phase: "closed", code: 4404 } });
  assert.deepEqual(done, [
    ["forget", "gone"],
    ["save", 1],
    ["open", ""],
  ]);
  assert.equal(page.store.state.conversation.id, "");
  assert.equal(page.store.state.pending.length, 1);
});

test("a missing record opens the connection anew, once", () => {
  const { play } = pageOf();
  play(connection(), user(1, "u1"));
  assert.deepEqual(
    names(play(answer(3, "a1", "u1"), answer(4, "a2", "u1"))).filter((name) => name === "open"),
    ["open"],
  );
});

test("a missing chunk is asked for, once", () => {
  const { play } = pageOf();
  play(connection({ ticket: "t" }), start("a1", null), html("a1", 0, 0, "x"));
  assert.deepEqual(play(html("a1", 2, 0, "z"), html("a1", 3, 0, "zz")), [["send", { type: "sync", message_id: "a1" }]]);
});

test("the first accepted message gives the conversation its address and ends its draft", () => {
  const { play } = pageOf();
  assert.ok(!names(play(connection({ ticket: "t" }))).includes("replace"));
  const done = play({ type: "accepted", client_id: "m1", message_id: "u1", turn: "u1", seq: 1 });
  assert.ok(done.some(([name, id]) => name === "replace" && id === "c"));
  assert.ok(done.some(([name, id]) => name === "accepted" && id === "c"));
});

test("the turn that an edit made is shown like one that was typed", () => {
  const { page, play } = pageOf();
  play(connection({ ticket: "t" }), user(1, "u1"), { type: "page/expects-turn" });
  assert.deepEqual(names(play(user(2, "u2"))), []);
  assert.deepEqual(names(play(head(3, "u2"))), ["end"]);
  assert.equal(page.store.state.own.u2, true);
  assert.deepEqual(names(play(head(4, "u1"))), []);
});

test("an edit that was refused is not waited for", () => {
  const { page, play } = pageOf();
  play(connection({ ticket: "t" }), { type: "page/expects-turn" }, { type: "error", error: "busy", details: "No." });
  assert.equal(page.store.state.expectsTurn, false);
});

test("old turns are let go when the agent is idle and the reader at the end", () => {
  const turns = Array.from({ length: 401 }, (_, at) => user(at + 1, `u${at}`, { follows: at ? `u${at - 1}` : null }));
  for (const [follows, left] of [
    [true, 100],
    [false, 401],
  ]) {
    const { page, play } = pageOf();
    play(connection(), ...turns, { type: "page/follows", follows }, status("running", "u400"), status("idle"));
    assert.equal(Object.keys(page.store.state.log.starts).length, left);
  }
});
