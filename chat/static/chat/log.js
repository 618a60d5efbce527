/**
 * The part of the state that is the transcript: messages, tool calls and sub-agents' tasks by id. Pure.
 * Each function below takes one event of that name (`chat/events.js`) and returns the log after it, the same object
 * where nothing changed.
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
 * @typedef {object} Log
 * @property {Record<string, Message>} messages
 * @property {Record<string, object>} tools
 * @property {Record<string, object>} tasks
 * @property {string|null} head  the turn with which the transcript ends
 * @property {number} newest  greatest seq
 * @property {number} oldest  smallest seq; 0: none
 * @property {boolean} earlier  older records exist
 * @property {boolean} gap  a record is missing: connect again
 */

/** @returns {Log} */
export const emptyLog = () => ({
  messages: {},
  tools: {},
  tasks: {},
  head: null,
  newest: 0,
  oldest: 0,
  earlier: false,
  gap: false,
  first: 0,
  last: 0,
});

const put = (log, kind, id, value) => ({ ...log, [kind]: { ...log[kind], [id]: value } });

/** Where it stands among its siblings: as first seen, so that nothing on the page jumps. */
const placed = (log, known) => (known ? [log, known.order] : [{ ...log, last: log.last + 1 }, log.last + 1]);

/** The task that a record or stream belongs to is known by it, also after its task_start is history. */
function withTask(log, { task, depth, agent, turn }) {
  if (!task || log.tasks[task.id]) return log;
  const [next, order] = placed(log, null);
  return put(next, "tasks", task.id, {
    id: task.id,
    name: task.name ?? agent,
    parent_id: task.parent_id,
    depth,
    turn,
    status: "complete",
    order,
  });
}

/** Take a record's seq: null if the page has it, or if one before it is missing (then `gap`). */
function numbered(log, seq) {
  if (log.newest && seq <= log.newest) return null;
  if (log.newest && seq > log.newest + 1) return null;
  return { ...log, newest: seq, oldest: log.oldest || seq };
}

const isMissing = (log, seq) => log.newest > 0 && seq > log.newest + 1;

/** @param {(log: Log, event: object, now: number) => Log} take */
const record = (take) => (log, event, now) => {
  if (isMissing(log, event.seq)) return { ...log, gap: true };
  const next = numbered(log, event.seq);
  return next ? take(next, event, now) : log;
};

function takeMessage(log, { seq, message }, now) {
  const known = log.messages[message.id];
  const [next, order] = placed(withTask(log, message), known);
  const blocks = typeof message.html === "string" ? [message.html] : [];
  const entry = {
    ...message,
    content: message.content ?? "",
    blocks,
    reasoning: message.reasoning ?? "",
    order,
    seq,
    writing: false,
    stale: false,
    n: 0,
    reasoning_n: 0,
    thinkingMs: known && thinkingTime(known, now),
  };
  return put(next, "messages", message.id, entry);
}

function takeToolResult(log, event) {
  const known = log.tools[event.tool_call_id];
  const [next, order] = placed(withTask(log, event), known);
  return put(next, "tools", event.tool_call_id, { ...known, ...event, id: event.tool_call_id, order });
}

const thinkingTime = (message, now) =>
  message.thinkingMs ?? (message.thinkingSince ? now - message.thinkingSince : undefined);

/** A new turn that follows the head becomes the head by itself. */
function followed(log, { message }) {
  const startsTurn = message.sender === "user" && message.turn === message.id;
  return startsTurn && (message.follows ?? null) === log.head ? { ...log, head: message.id } : log;
}

/** One chunk: `apply` gets the message if this is the next one; a hole marks the message as stale. */
const chunk = (counter, apply) => (log, event, now) => {
  const message = log.messages[event.message_id];
  if (!message?.writing || message.stale || event.n < message[counter]) return log;
  if (event.n > message[counter]) return put(log, "messages", message.id, { ...message, stale: true });
  return put(log, "messages", message.id, { ...message, ...apply(message, event, now), [counter]: event.n + 1 });
};

export const events = {
  message: record((log, event, now) => takeMessage(followed(log, event), event, now)),
  tool_result: record(takeToolResult),
  head: record((log, event) => ({ ...log, head: event.turn ?? null })),

  stream_start(log, event, now) {
    const known = log.messages[event.message_id];
    if (known?.seq) return log;
    const [next, order] = placed(withTask(log, event), known);
    const thinking = Boolean(event.reasoning) && !event.content && !event.blocks?.length;
    const entry = {
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
    };
    return put(next, "messages", entry.id, entry);
  },

  stream_more(log, event) {
    const message = log.messages[event.message_id];
    if (!message?.writing) return log;
    return put(log, "messages", message.id, {
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
    const message = log.messages[message_id];
    return message?.writing ? put(log, "messages", message_id, { ...message, writing: false }) : log;
  },

  tool_call(log, event, now) {
    const known = log.tools[event.tool_call_id];
    if (known?.seq) return log;
    const [next, order] = placed(withTask(log, event), known);
    return put(next, "tools", event.tool_call_id, {
      since: now,
      ...known,
      ...event,
      id: event.tool_call_id,
      status: "running",
      order,
    });
  },

  task_start(log, event, now) {
    const known = log.tasks[event.task_id];
    const [next, order] = placed(log, known);
    const entry = { since: now, turn: null, ...known, ...event, id: event.task_id, status: "running", order };
    return put(next, "tasks", event.task_id, entry);
  },

  task_end(log, event, now) {
    const known = log.tasks[event.task_id];
    if (!known) return log;
    const ended = {
      ...known,
      status: event.status ?? "complete",
      usage: event.usage,
      durationMs: known.since && now - known.since,
    };
    return put(log, "tasks", event.task_id, ended);
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
  let page = { ...emptyLog(), last: log.first - 10 * (older.length + 1) };
  for (const event of older) if (event.type !== "head") page = events[event.type]({ ...page, newest: 0 }, event, 0);
  return {
    ...log,
    messages: { ...page.messages, ...log.messages },
    tools: { ...page.tools, ...log.tools },
    tasks: { ...page.tasks, ...log.tasks },
    oldest: older[0]?.seq ?? log.oldest,
    first: log.first - 10 * (older.length + 1),
    earlier,
  };
}

/** When nothing runs any more, nothing is open: a dropped `stream_end` or `task_end` must not leave a spinner behind. */
export function settle(log) {
  const open = (entry) => entry.writing || entry.status === "running";
  const closed = (entry) => ({
    ...entry,
    writing: false,
    status: entry.status === "running" ? "complete" : entry.status,
  });
  const settled = (entries) =>
    Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, open(entry) ? closed(entry) : entry]));
  if (![log.messages, log.tasks].some((entries) => Object.values(entries).some(open))) return log;
  return { ...log, messages: settled(log.messages), tasks: settled(log.tasks) };
}
