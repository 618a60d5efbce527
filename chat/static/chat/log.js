/**
 * The part of the state that is the transcript: messages, tool calls and sub-agents' tasks, by turn. Pure.
 * Each function below takes one event of that name (`chat/events.js`) and returns the log after it, the same object
 * where nothing changed.
 *
 * A chunk must cost the same however long the conversation is: so the turns in which something happens stand apart, in
 * `live`, and only those are copied. When the agent is idle they join the others.
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {string|null} turn
 * @property {"user"|"assistant"|"system"} sender
 * @property {string} content
 * @property {string[]} blocks  HTML of the answer's blocks, made safe by the server
 * @property {string} reasoning
 * @property {number} order  of its first sight
 * @property {number|null} seq  of its record; null while it is written
 * @property {boolean} writing  between stream_start and stream_end
 * @property {number} n  next chunk of text
 * @property {number} reasoning_n  next chunk of reasoning
 * @property {boolean} stale  a chunk is missing: ask for all of it (`sync`)
 * @property {number} [thinkingMs]  how long it reasoned, where this page saw it
 *
 * @typedef {object} TurnLog  What happened in a turn, but for the message that starts it.
 * @property {Record<string, Message>} messages
 * @property {Record<string, object>} tools
 * @property {Record<string, object>} tasks
 *
 * @typedef {object} Log
 * @property {Record<string, Message>} starts  the users' messages that start turns, by turn
 * @property {Record<string, TurnLog>} turns
 * @property {Record<string, TurnLog>} live  those in which something happened since the agent was idle
 * @property {string|null} head  the turn with which the transcript ends
 * @property {number} newest  greatest seq
 * @property {number} oldest  smallest seq; 0: none
 * @property {boolean} earlier  older records exist
 * @property {boolean} gap  a record is missing: connect again
 */

/** Stands for a turn's id where there is none: what comes before the first turn. */
export const GREETING = "greeting";

const NOTHING = Object.freeze({ messages: {}, tools: {}, tasks: {} });

/** @returns {Log} */
export const emptyLog = () => ({
  starts: {},
  turns: {},
  live: {},
  head: null,
  newest: 0,
  oldest: 0,
  earlier: false,
  gap: false,
  first: 0,
  last: 0,
});

/** @returns {TurnLog} always the same one until something in it changes */
export const turnLog = (log, turn) => log.live[turn] ?? log.turns[turn] ?? NOTHING;

export const startsTurn = (message) => message.sender === "user" && message.turn === message.id;

/** @returns {Message|undefined} one that was changed since the agent was idle */
export function liveMessage(log, id) {
  for (const turn of Object.values(log.live)) if (turn.messages[id]) return turn.messages[id];
}

function put(log, kind, turn, entry) {
  const key = turn ?? GREETING;
  const known = turnLog(log, key);
  return { ...log, live: { ...log.live, [key]: { ...known, [kind]: { ...known[kind], [entry.id]: entry } } } };
}

const knownEntry = (log, kind, turn, id) => turnLog(log, turn ?? GREETING)[kind][id];

/** Where it stands among its siblings: as first seen, so that nothing on the page jumps. */
const placed = (log, known) => (known ? [log, known.order] : [{ ...log, last: log.last + 1 }, log.last + 1]);

/** The task that a record or stream belongs to is known by it, also after its task_start is history. */
function withTask(log, { task, depth, agent, turn }) {
  if (!task || knownEntry(log, "tasks", turn, task.id)) return log;
  const [next, order] = placed(log, null);
  const { id, name = agent, parent_id } = task;
  return put(next, "tasks", turn, { id, name, parent_id, depth, turn: turn ?? null, status: "complete", order });
}

const isMissing = (log, seq) => log.newest > 0 && seq > log.newest + 1;
const isKnown = (log, seq) => log.newest > 0 && seq <= log.newest;

/** @param {(log: Log, event: object, now: number) => Log} take  gets each record once and in order */
const record = (take) => (log, event, now) => {
  const { seq } = event;
  if (isMissing(log, seq)) return { ...log, gap: true };
  if (isKnown(log, seq)) return log;
  return take({ ...log, newest: seq, oldest: log.oldest || seq }, event, now);
};

function takeMessage(log, { seq, message }, now) {
  const known = knownEntry(log, "messages", message.turn, message.id);
  const [next, order] = placed(withTask(log, message), known);
  const entry = {
    ...message,
    turn: message.turn ?? null,
    content: message.content ?? "",
    blocks: typeof message.html === "string" ? [message.html] : [],
    reasoning: message.reasoning ?? "",
    order,
    seq,
    writing: false,
    stale: false,
    n: 0,
    reasoning_n: 0,
    thinkingMs: known && thinkingTime(known, now),
  };
  return startsTurn(entry) ? begun(next, entry) : put(next, "messages", entry.turn, entry);
}

/** A new turn that follows the head becomes the head by itself. */
function begun(log, start) {
  const head = (start.follows ?? null) === log.head ? start.id : log.head;
  return { ...log, head, starts: { ...log.starts, [start.id]: start } };
}

/** What was taken back while it waited: as its record says when it is read again. */
function withoutDropped(log, { dropped = [] }) {
  const known = dropped.filter((turn) => log.starts[turn]);
  if (!known.length) return log;
  const stopped = known.map((turn) => [turn, { ...log.starts[turn], status: "stopped" }]);
  return { ...log, starts: { ...log.starts, ...Object.fromEntries(stopped) } };
}

function takeToolResult(log, event) {
  const id = event.tool_call_id;
  const known = knownEntry(log, "tools", event.turn, id);
  const [next, order] = placed(withTask(log, event), known);
  return put(next, "tools", event.turn, { ...known, ...event, id, order });
}

const thinkingTime = (message, now) =>
  message.thinkingMs ?? (message.thinkingSince ? now - message.thinkingSince : undefined);

/** One chunk: `apply` gets the message if this is the next one; a hole marks the message as stale. */
const chunk = (counter, apply) => (log, event, now) => {
  const message = liveMessage(log, event.message_id);
  if (!message?.writing || message.stale || event.n < message[counter]) return log;
  const change =
    event.n > message[counter] ? { stale: true } : { ...apply(message, event, now), [counter]: event.n + 1 };
  return put(log, "messages", message.turn, { ...message, ...change });
};

/** The turn of a task that has shown nothing yet: its caller's, or the one worked on. */
function turnOfTask(log, { parent_id }, current) {
  const has = ({ messages, tools, tasks }) => messages[parent_id] || tools[parent_id] || tasks[parent_id];
  const caller = parent_id && Object.entries(log.live).find(([, turn]) => has(turn));
  return caller ? caller[0] : (current ?? log.head ?? GREETING);
}

export const logEvents = {
  message: record(takeMessage),
  tool_result: record(takeToolResult),
  head: record((log, event) => ({ ...withoutDropped(log, event), head: event.turn ?? null })),

  stream_start(log, event, now) {
    const known = knownEntry(log, "messages", event.turn, event.message_id);
    if (known?.seq) return log;
    const [next, order] = placed(withTask(log, event), known);
    const thinking = Boolean(event.reasoning) && !event.content && !event.blocks?.length;
    return put(next, "messages", event.turn, {
      id: event.message_id,
      turn: event.turn ?? null,
      sender: "assistant",
      agent: event.agent,
      parent_id: event.parent_id ?? null,
      depth: event.depth ?? 0,
      task: event.task ?? null,
      timestamp: event.timestamp,
      status: "complete",
      content: event.content ?? "",
      blocks: event.blocks ?? [],
      reasoning: event.reasoning ?? "",
      n: event.n ?? 0,
      reasoning_n: event.reasoning_n ?? 0,
      thinkingSince: known?.thinkingSince ?? (thinking ? now : undefined),
      thinkingMs: known?.thinkingMs,
      order,
      seq: null,
      writing: true,
      stale: false,
    });
  },

  stream_more(log, event) {
    const message = liveMessage(log, event.message_id);
    if (!message?.writing) return log;
    return put(log, "messages", message.turn, {
      ...message,
      content: message.content + (event.content ?? ""),
      blocks: [...message.blocks, ...(event.blocks ?? [])],
      reasoning: message.reasoning + (event.reasoning ?? ""),
      n: event.n ?? message.n,
      reasoning_n: event.reasoning_n ?? message.reasoning_n,
    });
  },

  stream_token: chunk("n", (message, { token }, now) => ({
    content: message.content + token,
    thinkingMs: thinkingTime(message, now),
  })),

  stream_reasoning: chunk("reasoning_n", (message, { token }, now) => ({
    reasoning: message.reasoning + token,
    thinkingSince: message.thinkingSince ?? now,
  })),

  stream_html: chunk("n", (message, { block, html, keep }, now) => {
    const blocks = message.blocks.slice();
    blocks[block] = keep === undefined ? html : (blocks[block] ?? "").slice(0, keep) + html;
    return { blocks, thinkingMs: thinkingTime(message, now) };
  }),

  stream_end(log, { message_id }) {
    const message = liveMessage(log, message_id);
    return message?.writing ? put(log, "messages", message.turn, { ...message, writing: false }) : log;
  },

  tool_call(log, event, now) {
    const id = event.tool_call_id;
    const known = knownEntry(log, "tools", event.turn, id);
    if (known?.seq) return log;
    const [next, order] = placed(withTask(log, event), known);
    return put(next, "tools", event.turn, { since: now, ...known, ...event, id, status: "running", order });
  },

  progress(log, event) {
    const known = event.tool_call_id && knownEntry(log, "tools", event.turn, event.tool_call_id);
    if (!known || known.seq) return log;
    return put(log, "tools", event.turn, { ...known, progress: event.is_over ? null : event });
  },

  task_start(log, event, now, current) {
    const id = event.task_id;
    const turn = turnOfTask(log, event, current);
    const known = knownEntry(log, "tasks", turn, id);
    const [next, order] = placed(log, known);
    return put(next, "tasks", turn, { since: now, ...known, ...event, id, turn, status: "running", order });
  },

  task_end(log, event, now) {
    const known = Object.values(log.live).find(({ tasks }) => tasks[event.task_id])?.tasks[event.task_id];
    if (!known) return log;
    return put(log, "tasks", known.turn, {
      ...known,
      status: event.status ?? "complete",
      usage: event.usage,
      durationMs: known.since && now - known.since,
    });
  },
};

/**
 * Put a page of older records before all others.
 * @param {Log} log
 * @param {object[]} records  oldest first
 * @param {boolean} earlier  even older ones exist
 */
export function prepend(log, records, earlier) {
  const older = records.filter((event) => !log.oldest || event.seq < log.oldest);
  const first = log.first - 10 * (older.length + 1);
  let page = { ...emptyLog(), last: first };
  for (const event of older) if (event.type !== "head") page = logEvents[event.type]({ ...page, newest: 0 }, event, 0);
  const merged = { ...log.turns };
  const live = { ...log.live };
  for (const [turn, added] of Object.entries(page.live)) {
    if (live[turn]) live[turn] = joined(added, live[turn]);
    else merged[turn] = joined(added, merged[turn] ?? NOTHING);
  }
  const starts = { ...page.starts, ...log.starts };
  return { ...log, starts, turns: merged, live, oldest: older[0]?.seq ?? log.oldest, first, earlier };
}

const joined = (older, newer) => ({
  messages: { ...older.messages, ...newer.messages },
  tools: { ...older.tools, ...newer.tools },
  tasks: { ...older.tasks, ...newer.tasks },
});

const isOpen = (entry) => entry.writing || entry.status === "running";
const closedEntry = (entry) => ({
  ...entry,
  writing: false,
  status: entry.status === "running" ? "complete" : entry.status,
});
const allClosed = (entries) =>
  Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, isOpen(entry) ? closedEntry(entry) : entry]));

function settledTurn(turn) {
  const hasOpen = [turn.messages, turn.tasks].some((entries) => Object.values(entries).some(isOpen));
  return hasOpen ? { ...turn, messages: allClosed(turn.messages), tasks: allClosed(turn.tasks) } : turn;
}

/** When nothing runs any more, nothing is open: a dropped `stream_end` or `task_end` must not leave a spinner behind. */
export function settle(log) {
  const live = Object.entries(log.live);
  if (!live.length) return log;
  const settled = Object.fromEntries(live.map(([id, turn]) => [id, settledTurn(turn)]));
  return { ...log, turns: { ...log.turns, ...settled }, live: {} };
}

/** The seqs that a turn has, from its start to its last record. */
function span(log, start) {
  const { messages, tools } = turnLog(log, start.id);
  const seqs = [...Object.values(messages), ...Object.values(tools)].map(({ seq }) => seq ?? start.seq);
  return { from: start.seq, to: Math.max(start.seq, ...seqs) };
}

/**
 * Let go of what is older than about the last `count` turns: it can be loaded again.
 * @param {Log} log
 * @param {{user: Message}[]} path  the shown turns, oldest first (`pathOf`)
 */
export function trim(log, path, count) {
  if (path.length <= count) return log;
  const spans = new Map(Object.values(log.starts).map((start) => [start.id, span(log, start)]));
  // Cut where no turn has records on both sides: what comes before a seq is loaded again by that seq.
  const isClean = ({ user: { seq } }) => Array.from(spans.values()).every(({ from, to }) => from >= seq || to < seq);
  let at = path.length - count;
  while (at > 0 && !isClean(path[at])) at -= 1;
  if (at === 0) return log;
  const oldest = path[at].user.seq;
  const isKept = ([id]) => id === GREETING || spans.get(id)?.from >= oldest;
  const kept = (entries) => Object.fromEntries(Object.entries(entries).filter(isKept));
  return { ...log, starts: kept(log.starts), turns: kept(log.turns), live: kept(log.live), oldest, earlier: true };
}
