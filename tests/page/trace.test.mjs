/** The steps of a turn and their times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { traceOf } from "chat/trace.js";
import { answer, connection, play, start, status, tool, user } from "./frames.mjs";

const at = (seconds) => new Date(1_700_000_000_000 + seconds * 1000).toISOString();
const TASK = { id: "k", name: "Writer", parent_id: "t1" };
const RECORDS = [
  user(1, "u1", { timestamp: at(0) }),
  answer(2, "a1", "u1", {
    timestamp: at(2),
    duration_ms: 3000,
    usage: { prompt_tokens: 10, completion_tokens: 5, cost: 0.5 },
  }),
  answer(3, "b1", "u1", { timestamp: at(4), duration_ms: 2000, depth: 1, agent: "Writer", task: TASK }),
  tool("t1", "lookup", "u1", { seq: 4, timestamp: at(3), duration_ms: 3000 }),
  answer(5, "a2", "u1", { timestamp: at(6.5), duration_ms: 1000, error: { code: "x", details: "no" } }),
];
const seconds = ({ rows, start: first }) =>
  rows.map(({ kind, name, depth, start: from, end }) => [
    kind,
    name,
    depth,
    (from - first) / 1000,
    (end - first) / 1000,
  ]);

test("each step has its place in the tree and in time", () => {
  const { log } = play(connection(), ...RECORDS, status("idle"));
  const trace = traceOf(log, "u1", null, 0);
  assert.deepEqual(seconds(trace), [
    ["model", "Analyst", 0, 0, 3],
    ["tool", "lookup", 0, 3, 6],
    ["task", "Writer", 0, 3, 5],
    ["model", "Writer", 1, 3, 5],
    ["model", "Analyst", 0, 6, 7],
  ]);
  assert.equal(trace.end - trace.start, 7000);
  assert.deepEqual([trace.rows[0].tokens, trace.rows[0].cost, trace.rows[4].status], [15, 0.5, "error"]);
});

test("a model call that said nothing is known by the tools that it called", () => {
  const call = { message_id: "c1", agent: "Analyst", duration_ms: 1000 };
  const { log } = play(
    connection(),
    RECORDS[0],
    tool("t1", "lookup", "u1", { seq: 2, timestamp: at(2), ...call }),
    tool("t2", "lookup", "u1", { seq: 3, timestamp: at(2.5), ...call }),
    answer(4, "a1", "u1", { timestamp: at(5), duration_ms: 1000 }),
  );
  assert.deepEqual(seconds(traceOf(log, "u1", null, 0)), [
    ["model", "Analyst", 0, 0, 2],
    ["tool", "lookup", 0, 2, 3],
    ["tool", "lookup", 0, 2.5, 3.5],
    ["model", "Analyst", 0, 4, 5],
  ]);
});

test("what is being written lasts until now, and so does an open question", () => {
  const { log } = play(connection(), RECORDS[0], status("running", "u1"), start("a9", "u1", { timestamp: at(1) }));
  const now = Date.parse(at(5));
  assert.deepEqual(seconds(traceOf(log, "u1", null, now)), [["model", "Analyst", 0, 1, 5]]);
  const asked = traceOf(log, "u1", { request_id: "r", askedAt: now - 2000 }, now);
  assert.deepEqual(seconds(asked).at(-1), ["question", "Question", 0, 5, 7]);
});

test("a question that a tool asks stands beside the tool, which waits as long", () => {
  const call = { type: "tool_call", tool_call_id: "t1", tool_name: "write", turn: "u1", timestamp: at(1) };
  const { log } = play(connection(), RECORDS[0], status("running", "u1"), call); // at 4 s of the clock
  const later = 8000;
  const { rows, start: first, end } = traceOf(log, "u1", { request_id: "r", askedAt: later - 3000 }, later);
  assert.deepEqual(
    rows.slice(-2).map((row) => [row.kind, row.end - row.start, row.end - first]),
    [
      ["tool", 4000, 5000],
      ["question", 3000, 5000],
    ],
  );
  assert.equal(end - first, 5000);
});

test("a turn in which nothing has happened has no steps", () => {
  const { log } = play(connection(), RECORDS[0]);
  assert.deepEqual(traceOf(log, "u1", null, 0).rows, []);
});
