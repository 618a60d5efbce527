/**
 * What happened in a turn, step by step and when: model calls, tools, sub-agents, questions. Pure.
 *
 * @typedef {object} Row
 * @property {"model"|"tool"|"task"|"question"} kind
 * @property {string} key
 * @property {string} name
 * @property {number} depth  of sub-agents around it
 * @property {number} start  milliseconds, by the server's clock
 * @property {number} end
 * @property {string} status
 * @property {number} tokens
 * @property {boolean} isEstimated
 * @property {number} cost
 * @property {object} entry  of the log: message, tool or task; or the open question
 */
import { turnLog } from "chat/log.js";
import { placeInTasks, used } from "chat/transcript.js";
import { t } from "chat/words.js";

const timeOf = (entry) => Date.parse(entry?.timestamp ?? "") || 0;

/**
 * @param {import("chat/log.js").Log} log
 * @param {string} turnId
 * @param {object|null} ask  the question that is open in this turn
 * @param {number} now
 * @returns {{rows: Row[], start: number, end: number}}
 */
export function traceOf(log, turnId, ask, now) {
  const turn = turnLog(log, turnId);
  const entries = [...Object.values(turn.messages), ...Object.values(turn.tools)];
  const first = Math.min(...entries.map(timeOf).filter(Boolean));
  const start = timeOf(log.starts[turnId]) || (Number.isFinite(first) ? first : now);
  const rows = [];
  const places = placeInTasks(turn);
  const seen = new Set(Object.keys(turn.messages)); // calls that have a row: of each message, and of those below
  const end = walk(rows, places, { home: "", depth: 0, since: start, now, seen });
  if (ask) rows.push(askRow(ask, rows, end, now));
  return { rows, start, end: Math.max(start + 1, ...rows.map((row) => row.end)) };
}

/** The open question: the tool that asks it waits as long; where none does, it comes after the steps. */
function askRow(ask, rows, end, now) {
  const waits = Math.max(0, now - ask.askedAt);
  const asking = rows.findLast(({ kind, status }) => kind === "tool" && status === "running");
  const start = asking ? Math.max(asking.start, end - waits) : end;
  return rowOf("question", ask, { depth: 0, start, end: Math.max(end, start + waits) });
}

/** @returns {number} when the last of these steps ended: there the next begins */
function walk(rows, places, { home, depth, since, now, seen }) {
  const items = places.get(home) ?? [];
  places.delete(home); // a task that names itself as its parent ends here
  let end = since;
  const begun = new Map(); // when each tool began: what it calls begins then, not when it ends
  for (const { kind, entry } of items) {
    const from = (kind === "task" && begun.get(entry.parent_id)) || end;
    const row = { task: taskRow, tool: toolRow, message: messageRow }[kind](entry, { depth, since: from, now });
    if (kind === "tool" && entry.message_id && !seen.has(entry.message_id)) rows.push(callRow(entry, row, end));
    seen.add(entry.message_id);
    rows.push(row);
    if (kind === "tool") begun.set(entry.id, row.start);
    if (kind === "task") endOfTask(row, rows, places, { depth, since: from, now, seen });
    end = Math.max(end, row.end);
  }
  return end;
}

/** A sub-agent lasts as long as what it does. */
function endOfTask(row, rows, places, { depth, since, now, seen }) {
  const at = rows.length;
  const end = walk(rows, places, { home: row.entry.id, depth: depth + 1, since, now, seen });
  const inner = rows.slice(at);
  row.start = inner.length ? Math.min(...inner.map(({ start }) => start)) : since;
  row.end = Math.max(row.start, end);
  if (row.entry.status === "running") row.end = Math.max(row.end, row.start + elapsed(row.entry, now));
}

const elapsed = ({ since }, now) => (since ? Math.max(0, now - since) : 0);

const taskRow = (task, { depth, since }) => rowOf("task", task, { depth, start: since, end: since });

/** A tool's record names the moment at which it began. */
function toolRow(tool, { depth, since, now }) {
  const start = timeOf(tool) || since;
  const lasted = tool.status === "running" ? elapsed(tool, now) : (tool.duration_ms ?? 0);
  return rowOf("tool", tool, { depth, start, end: start + lasted });
}

/** A model call that said nothing has no record: it is known by the tool that it called, and ended when that began. */
function callRow({ message_id, agent }, { start, depth }, since) {
  const call = { id: message_id, agent, status: "complete", isSilent: true };
  return rowOf("model", call, { depth, start: Math.min(since, start), end: start });
}

/** A message names the moment of its first word; its call began before, right after the step before at the earliest. */
function messageRow(message, { depth, since, now }) {
  const seen = timeOf(message) || since;
  if (message.sender === "user") return rowOf("question", message, { depth, start: since, end: Math.max(since, seen) });
  const lasted = message.duration_ms ?? 0;
  const start = Math.min(seen, Math.max(since, seen - lasted));
  const end = message.writing ? Math.max(seen, now) : Math.max(seen, start + lasted);
  return rowOf("model", message, { depth, start, end });
}

export const KINDS = { model: t("Model call"), tool: t("Tool"), task: t("Sub-agent"), question: t("Question") };
const UNENDED = { question: "asking" }; // what has no status is not over
const NAMES = { model: ({ agent }) => agent, tool: ({ tool_name }) => tool_name, task: ({ name }) => name };

function rowOf(kind, entry, { depth, start, end }) {
  const { tokens, cost, isEstimated } = used(kind === "question" ? [] : [entry]);
  const status = entry.writing
    ? "running"
    : entry.error && kind === "model"
      ? "error"
      : (entry.status ?? UNENDED[kind] ?? "running");
  const name = NAMES[kind]?.(entry) || KINDS[kind];
  const key = `${kind} ${entry.id ?? entry.request_id}`;
  return { kind, key, name, depth, start, end, status, tokens, cost, isEstimated, entry };
}
