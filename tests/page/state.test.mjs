/** What the state makes of the frames of a server and of the user's deeds. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { initialState, isBusy, questionOf, reduce } from "chat/state.js";
import { answer, connection, end, entry, head, html, play, read, send, start, status, tool, user } from "./frames.mjs";

const message = (state, id) => entry(state, "messages", id);
const blocks = (state, id) => message(state, id).blocks;

suite("records and chunks", () => {
  test("a record that the page has is ignored", () => {
    const twice = play(connection(), user(1, "u1"), answer(2, "a1", "u1"), answer(2, "a1", "u1", { content: "other" }));
    assert.deepEqual(read(twice), [["u1", ["a1"]]]);
  });

  test("a missing record is noticed and nothing after it is taken", () => {
    const { log } = play(connection(), user(1, "u1"), answer(3, "a1", "u1"));
    assert.equal(log.gap, true);
    assert.equal(log.newest, 1);
  });

  test("chunks are put in place once and in order", () => {
    const chunks = [html("a1", 0, 0, "<p>on"), html("a1", 1, 0, "<p>one</p>"), html("a1", 0, 0, "<p>on")];
    const state = play(connection(), user(1, "u1"), start("a1", "u1"), ...chunks, html("a1", 2, 1, "<p>two</p>"));
    assert.deepEqual(blocks(state, "a1"), ["<p>one</p>", "<p>two</p>"]);
    assert.equal(message(state, "a1").stale, false);
  });

  test("a missing chunk makes the message stale until all of it comes again", () => {
    const cut = [connection(), user(1, "u1"), start("a1", "u1"), html("a1", 0, 0, "x"), html("a1", 2, 1, "z")];
    const stale = play(...cut, html("a1", 3, 1, "zz"));
    assert.equal(message(stale, "a1").stale, true);
    assert.deepEqual(blocks(stale, "a1"), ["x"]);

    const whole = play(...cut, start("a1", "u1", { blocks: ["x", "y"], n: 4 }), html("a1", 4, 1, "yz"));
    assert.deepEqual(blocks(whole, "a1"), ["x", "yz"]);
    assert.equal(message(whole, "a1").stale, false);
  });

  test("keep counts UTF-16 units", () => {
    const chunks = [html("a1", 0, 0, "<p>🙂a"), html("a1", 1, 0, "b</p>", { keep: 5 })];
    assert.deepEqual(blocks(play(connection(), user(1, "u1"), start("a1", "u1"), ...chunks), "a1"), ["<p>🙂b</p>"]);
  });

  test("plain tokens and reasoning are appended, each by its own count", () => {
    const token = (n, text) => ({ type: "stream_token", message_id: "a1", n, token: text });
    const thought = (n, text) => ({ type: "stream_reasoning", message_id: "a1", n, token: text });
    const all = [thought(0, "h"), thought(1, "m"), token(0, "o"), token(1, "k"), token(1, "k")];
    const { content, reasoning, thinkingMs } = message(play(connection(), start("a1", null), ...all), "a1");
    assert.deepEqual([content, reasoning], ["ok", "hm"]);
    assert.equal(thinkingMs, 2000); // from the first thought to the first word, a second apart each
  });

  test("a text so far that no frame holds comes in several", () => {
    const more = { type: "stream_more", message_id: "a1", blocks: ["y"], n: 7, reasoning: "b", reasoning_n: 3 };
    const a1 = message(play(connection(), start("a1", null, { blocks: ["x"], reasoning: "a" }), more), "a1");
    assert.deepEqual([a1.blocks, a1.reasoning, a1.n, a1.reasoning_n], [["x", "y"], "ab", 7, 3]);
  });

  test("the record replaces what was streamed", () => {
    const streamed = [start("a1", "u1"), html("a1", 0, 0, "<p>draft"), end("a1")];
    const record = answer(2, "a1", "u1", { content: "done", html: "<p>done</p>" });
    const state = play(connection(), user(1, "u1"), ...streamed, record);
    assert.deepEqual(blocks(state, "a1"), ["<p>done</p>"]);
    assert.equal(message(state, "a1").writing, false);
  });

  test("a stream that is told again after its record opens nothing", () => {
    const state = play(connection(), user(1, "u1"), answer(2, "a1", "u1"), start("a1", "u1"));
    assert.equal(message(state, "a1").writing, false);
  });

  test("a call of tools alone shows no empty text", () => {
    const call = [answer(2, "a1", "u1", { content: "" }), tool("t1", "sql", "u1", { seq: 3 })];
    assert.deepEqual(read(play(connection(), user(1, "u1"), ...call)), [["u1", [["sql"]]]]);
  });

  test("a result keeps what its call said, and a call after its result changes nothing", () => {
    const call = tool("t1", "sql", "u1", { tool_args: { n: 1 } });
    const state = play(connection(), user(1, "u1"), call, tool("t1", "sql", "u1", { seq: 2 }), call);
    const t1 = entry(state, "tools", "t1");
    assert.equal(t1.status, "complete");
    assert.equal(t1.since, 3000);
  });

  test("when the agent is idle nothing is left open", () => {
    const task = { type: "task_start", task_id: "k", name: "Writer", parent_id: null, depth: 1 };
    const open = [connection(), user(1, "u1"), status("running", "u1"), start("a1", "u1"), task];
    const state = play(...open, status("idle"));
    assert.equal(message(state, "a1").writing, false);
    assert.equal(entry(state, "tasks", "k").status, "complete");
  });

  test("an event that changes nothing gives the same state back", () => {
    const state = play(connection(), user(1, "u1"), start("a1", "u1"), html("a1", 0, 0, "x"));
    assert.equal(reduce(state, html("a1", 0, 0, "x"), 0), state);
    assert.equal(reduce(state, { type: "of a later protocol" }, 0), state);
  });
});

suite("connecting again", () => {
  const HELD = [connection(), user(1, "u1"), answer(2, "a1", "u1")];

  test("a resumed connection goes on with what the page has", () => {
    const again = connection({ seq: 3, head: "u2", resumed: true });
    assert.deepEqual(read(play(...HELD, again, user(3, "u2", { follows: "u1" }))), [["u1", ["a1"]], ["u2"]]);
  });

  test("a fresh snapshot replaces what is held only when it is complete", () => {
    const fresh = [connection({ seq: 4, head: "u2" }), user(3, "u2", { follows: "u1" }), answer(4, "a2", "u2")];
    assert.deepEqual(read(play(...HELD, ...fresh.slice(0, 1))), [["u1", ["a1"]]]);
    assert.deepEqual(read(play(...HELD, ...fresh.slice(0, 2))), [["u1", ["a1"]]]);
    assert.deepEqual(read(play(...HELD, ...fresh)), [["u2", ["a2"]]]);
  });

  test("a message that was on its way is queued again when the connection breaks", () => {
    const lost = { type: "page/link", link: { phase: "waiting", retryAt: 9 } };
    const { pending, link } = play(connection(), send("m1"), { type: "page/sent", id: "m1" }, lost);
    assert.deepEqual(
      pending.map(({ id, state }) => [id, state]),
      [["m1", "queued"]],
    );
    assert.deepEqual([link.phase, link.since], ["waiting", 4000]);
  });

  const PROOFS = {
    accepted: { type: "accepted", client_id: "m1", message_id: "u1", turn: "u1", seq: 1 },
    "its record": user(1, "u1", { client_id: "m1" }),
  };
  for (const [name, proof] of Object.entries(PROOFS)) {
    test(`a message waits until the server has it: ${name}`, () => {
      const waiting = [connection(), send("m1"), { type: "page/sent", id: "m1" }];
      assert.equal(play(...waiting).pending.length, 1);
      assert.deepEqual(play(...waiting, proof).pending, []);
    });
  }

  test("a refused message keeps its text and shows the reason", () => {
    const refusal = { type: "error", error: "rate_limited", details: "Wait.", client_id: "m1" };
    const [item] = play(connection(), send("m1"), refusal).pending;
    assert.deepEqual([item.state, item.error.details, item.frame.content], ["failed", "Wait.", "m1"]);
    const [again] = play(connection(), send("m1"), refusal, { type: "page/retry", id: "m1" }).pending;
    assert.deepEqual([again.state, again.error], ["queued", undefined]);
  });

  test("an error of no message is shown until the next one is sent", () => {
    const error = { type: "error", error: "busy", details: "Not now." };
    assert.equal(play(connection(), error).notice.details, "Not now.");
    assert.equal(play(connection(), error, send("m1")).notice, null);
    assert.equal(play(connection(), { ...error, message_id: "a1" }).notice, null);
  });

  test("what waited for a conversation is queued when the page opens it, and the list stays", () => {
    const chat = { type: "conversation", id: "d", title: "D", updated: "2026-01-01", state: "idle" };
    const open = { type: "page/open", id: "d", pending: [{ id: "m", frame: {}, state: "sent", at: 0 }] };
    const state = play(connection(), chat, open);
    assert.deepEqual([state.conversation.id, state.conversation.stored], ["d", true]);
    assert.equal(state.pending[0].state, "queued");
    assert.equal(state.chats.items.length, 1);
  });

  test("what stood on the page is read when it goes to another conversation, and no more than that", () => {
    const chat = { type: "conversation", id: "c", title: "C", updated: "2026-01-01", newest_seq: 3, read_seq: 0 };
    const here = { ...connection(), session_id: "c" };
    const state = play(here, chat, user(1, "u1"), answer(2, "a1", "u1"), { type: "page/open", id: "" });
    assert.deepEqual([state.chats.items[0].read_seq, state.chats.items[0].newest_seq], [2, 3]);
  });
});

suite("questions", () => {
  const ASK = { type: "input_request", request_id: "r", prompt: "Name?", kind: "text" };

  test("a question is open while the status is waiting", () => {
    const waiting = [connection(), user(1, "u1"), status("waiting", "u1"), ASK];
    assert.equal(play(...waiting).ask.request_id, "r");
    assert.equal(play(...waiting, status("running", "u1")).ask, null);
  });

  test("the answer to a question stands where it was given", () => {
    const given = user(3, "q1", { turn: "u1", request_id: "r", content: "Ada" });
    const state = play(connection(), user(1, "u1"), answer(2, "a1", "u1"), given, answer(4, "a2", "u1"));
    assert.deepEqual(read(state), [["u1", ["a1"], "answer: Ada", ["a2"]]]);
  });
});

suite("the list of conversations", () => {
  const chat = (id, updated, fields = {}) => ({
    type: "conversation",
    id,
    title: id,
    updated,
    state: "idle",
    ...fields,
  });
  const ids = (state) => state.chats.items.map(({ id }) => id);

  test("the newest comes first, and a change moves it there", () => {
    const list = [connection(), chat("a", "2026-01-01"), chat("b", "2026-01-02")];
    assert.deepEqual(ids(play(...list)), ["b", "a"]);
    assert.deepEqual(ids(play(...list, chat("a", "2026-01-03"))), ["a", "b"]);
  });

  test("what was deleted anywhere leaves it", () => {
    const list = [connection(), chat("a", "2026-01-01"), chat("b", "2026-01-02")];
    assert.deepEqual(ids(play(...list, { type: "conversation", id: "b", state: "deleted" })), ["a"]);
    assert.deepEqual(ids(play(...list, { type: "page/chat-removed", id: "a" })), ["b"]);
  });

  test("an older page of it is added without undoing what changed meanwhile", () => {
    const page = { type: "page/chats", conversations: [chat("old", "2025-01-01")], more: false };
    const { chats } = play(connection(), chat("a", "2026-01-01"), page);
    assert.deepEqual([chats.items.map(({ id }) => id), chats.more], [["a", "old"], false]);
  });

  test("pinned ones come first, and what was put away or lies elsewhere is not shown", () => {
    const list = [chat("a", "2026-01-01", { pinned: true }), chat("b", "2026-01-02"), chat("c", "2026-01-03")];
    assert.deepEqual(ids(play(connection(), ...list)), ["a", "c", "b"]);
    assert.deepEqual(ids(play(connection(), ...list, chat("c", "2026-01-03", { archived: true }))), ["a", "b"]);
    const inFolder = chat("b", "2026-01-02", { folder: "Work" });
    const shown = play(connection(), { type: "page/chats-view", view: "folder:Work" }, ...list, inFolder);
    assert.deepEqual([ids(shown), shown.chats.folders], [["b"], ["Work"]]);
    const late = { type: "page/chats", view: "", conversations: list, more: true };
    assert.deepEqual(ids(play(connection(), { type: "page/chats-view", view: "archived" }, late)), []);
  });

  test("the title of the open conversation follows it", () => {
    assert.equal(play(connection(), chat("c", "2026-01-01", { title: "Taxes" })).conversation.title, "Taxes");
  });
});

test("busy is everything but idle", () => {
  assert.equal(isBusy(initialState()), false);
  for (const name of ["running", "waiting", "stopping"]) assert.equal(isBusy(play(status(name, "u1"))), true);
});

test("older records come before and change nothing after", () => {
  const page = { type: "page/earlier", id: "c", earlier: false, records: [user(1, "u1"), answer(2, "a1", "u1")] };
  const newer = [user(3, "u2", { follows: "u1" }), answer(4, "a2", "u2")];
  const state = play(connection({ seq: 4, head: "u2", earlier: true }), ...newer, page);
  assert.deepEqual(read(state), [
    ["u1", ["a1"]],
    ["u2", ["a2"]],
  ]);
  assert.deepEqual([state.log.oldest, state.log.newest, state.log.earlier], [1, 4, false]);
  const other = play(connection({ seq: 4, head: "u2", earlier: true }), ...newer, { ...page, id: "another" });
  assert.equal(other.log.oldest, 3);
});

test("a head takes the transcript back", () => {
  assert.deepEqual(read(play(connection(), user(1, "u1"), answer(2, "a1", "u1"), head(3, null))), []);
});

suite("what the composer does", () => {
  const ASK = { type: "input_request", request_id: "r", prompt: "Name?", kind: "text" };
  const asked = [connection(), user(1, "u1"), status("waiting", "u1"), ASK];
  const leave = { type: "page/answers", answers: false };

  test("its text answers an open question of kind text, until the user leaves that", () => {
    assert.equal(questionOf(play(...asked)).request_id, "r");
    assert.equal(questionOf(play(...asked, leave)), null);
    assert.equal(questionOf(play(...asked, leave, { ...ASK, request_id: "r2" })).request_id, "r2");
    assert.equal(questionOf(play(...asked.slice(0, 3), { ...ASK, kind: "approval" })), null);
  });

  test("the same question told again changes nothing of that", () => {
    assert.equal(questionOf(play(...asked, leave, ASK)), null);
  });

  test("what is sent from here starts at the top of the window, unless it waits for its turn", () => {
    assert.deepEqual(play(connection(), send("m1")).own, { m1: true });
    assert.deepEqual(play(connection(), status("running", "u1"), send("m1")).own, {});
  });

  test("the agent of a new conversation is remembered from one to the next", () => {
    const chosen = play({ type: "page/agent", key: "sales" }, { type: "page/open", id: "" });
    assert.equal(chosen.newAgent, "sales");
  });
});

suite("a reader who is not at the end", () => {
  const away = [connection(), user(1, "u1"), { type: "page/follows", follows: false }];

  test("is told how many answers came, and not of those of sub-agents or without a text", () => {
    const inner = answer(3, "b1", "u1", { depth: 1, task: { id: "k", name: "Writer", parent_id: null } });
    const { unseen } = play(...away, answer(2, "a1", "u1"), inner, answer(4, "a2", "u1", { content: "" }));
    assert.equal(unseen, 1);
  });

  test("has seen them at the end", () => {
    const { unseen } = play(...away, answer(2, "a1", "u1"), { type: "page/follows", follows: true });
    assert.equal(unseen, 0);
  });
});

test("another answer to a question takes the place of the one that was refused", () => {
  const give = (id) => ({
    type: "page/send",
    frame: { type: "answer", message_id: id, request_id: "r", approved: true },
  });
  const refusal = { type: "error", error: "rate_limited", details: "Wait.", client_id: "m1" };
  const { pending } = play(connection(), give("m1"), refusal, give("m2"));
  assert.deepEqual(
    pending.map(({ id, state }) => [id, state]),
    [["m2", "queued"]],
  );
});
