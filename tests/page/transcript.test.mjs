/** What is read from top to bottom. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { shownLog } from "chat/state.js";
import { greetingOf, turnOf } from "chat/transcript.js";
import { answer, connection, head, play, read, start, status, tool, turnsOf, user } from "./frames.mjs";

test("messages sent while the agent works are read with their answers", () => {
  const records = [user(1, "u1"), user(2, "u2", { follows: "u1" }), answer(3, "a1", "u1"), answer(4, "a2", "u2")];
  assert.deepEqual(read(play(connection(), ...records)), [
    ["u1", ["a1"]],
    ["u2", ["a2"]],
  ]);
});

test("an edited message is a branch of its own", () => {
  const records = [user(1, "u1"), answer(2, "a1", "u1"), user(3, "u2"), head(4, "u2"), answer(5, "a2", "u2")];
  const state = play(connection(), ...records);
  assert.deepEqual(read(state), [["u2", ["a2"]]]);
  const [{ branch }] = turnsOf(state);
  assert.deepEqual(branch, { index: 2, count: 2, previous: "u1", next: null, isReply: false });
});

test("the same question asked again is a branch of the reply", () => {
  const records = [user(1, "u1", { content: "q" }), user(2, "u2", { content: "q" }), head(3, "u2")];
  assert.equal(turnsOf(play(connection(), ...records))[0].branch.isReply, true);
});

test("going back to a branch shows it to its newest end", () => {
  const records = [user(1, "u1"), user(2, "u2", { follows: "u1" }), user(3, "v1"), head(4, "v1")];
  assert.equal(turnsOf(play(connection(), ...records))[0].branch.previous, "u2");
  assert.deepEqual(
    read(play(connection(), ...records, head(5, "u2"))).map(([text]) => text),
    ["u1", "u2"],
  );
});

const TASK = { id: "k", name: "Writer", parent_id: "t1" };
const INNER = { depth: 1, task: TASK, parent_id: "t1" };
const LIVE = [
  status("running", "u1"),
  tool("t1", "delegate", "u1"),
  { type: "task_start", task_id: "k", name: "Writer", parent_id: "t1", depth: 1 },
  start("b1", "u1", INNER),
];
const STORED = [
  answer(2, "b1", "u1", INNER),
  tool("t2", "read", "u1", { seq: 3, ...INNER }),
  tool("t1", "delegate", "u1", { seq: 4 }),
];

for (const [when, live] of Object.entries({ live: LIVE, "after a reload": [] })) {
  test(`a sub-agent stands under the tool that called it, ${when}`, () => {
    const state = play(connection(), user(1, "u1"), ...live, ...STORED);
    assert.deepEqual(read(state), [["u1", [["delegate"], { Writer: ["b1", ["read"]] }]]]);
  });
}

test("a sub-agent's steps, tokens and last word are told of it", () => {
  const usage = { prompt_tokens: 10, completion_tokens: 5, cost: 0.5 };
  const inner = answer(2, "b1", "u1", { ...INNER, usage, content: "first\nlast" });
  const call = tool("t1", "delegate", "u1", { seq: 3 });
  const [{ segments }] = turnsOf(play(connection(), user(1, "u1"), inner, call));
  const task = segments[0].parts.find(({ kind }) => kind === "task");
  assert.deepEqual([task.steps, task.tokens, task.cost, task.activity], [1, 15, 0.5, "last"]);
  assert.deepEqual([segments[0].tokens, segments[0].cost], [15, 0.5]);
});

test("a task that names itself as its parent ends there", () => {
  const loop = { type: "task_start", task_id: "k", name: "Writer", parent_id: "k", depth: 1 };
  assert.deepEqual(read(play(connection(), user(1, "u1"), status("running", "u1"), loop)), [["u1"]]);
});

test("calls in a row are one part, and text between them makes two", () => {
  const calls = [
    tool("t1", "a", "u1"),
    tool("t2", "b", "u1"),
    start("a1", "u1", { content: "so" }),
    tool("t3", "c", "u1"),
  ];
  assert.deepEqual(read(play(connection(), user(1, "u1"), ...calls)), [["u1", [["a", "b"], "so", ["c"]]]]);
});

test("a greeting stands before the first turn, where that is loaded", () => {
  const greeting = answer(1, "g", null, { content: "Welcome" });
  const state = play(connection(), greeting, user(2, "u1"));
  assert.equal(turnOf(shownLog(state), greetingOf(shownLog(state))).segments[0].text, "Welcome");
  const cut = play(
    connection({ seq: 9, head: "u2", earlier: true }),
    answer(8, "g", null),
    user(9, "u2", { follows: "u1" }),
  );
  assert.equal(greetingOf(shownLog(cut)), null);
});

test("a tool that asked stands before the answer, although its record comes after it", () => {
  const at = (second) => ({ timestamp: `2026-01-01T00:00:0${second}Z` });
  const records = [
    user(1, "u1", at(0)),
    answer(2, "yes", "u1", { ...at(2), sender: "user", content: "Yes" }),
    tool("t1", "send", "u1", { seq: 3, ...at(1) }),
    tool("t2", "log", "u1", { seq: 4, ...at(3) }),
    answer(5, "a1", "u1", at(4)),
  ];
  assert.deepEqual(read(play(connection({ seq: 5, head: "u1" }), ...records)), [
    ["u1", [["send"]], "answer: Yes", [["log"], "a1"]],
  ]);
});
