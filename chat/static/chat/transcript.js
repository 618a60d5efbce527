/**
 * From the log to what is read from top to bottom: the turns on the path to the head, and in each the agents' work as a
 * tree of parts. Pure.
 *
 * @typedef {{kind: "text", key: string, message: import("chat/log.js").Message}} TextPart
 * @typedef {{kind: "tools", key: string, tools: object[]}} ToolsPart  tool calls in a row
 * @typedef {{kind: "task", key: string, task: object, parts: Part[], steps: number, tokens: number, cost: number, activity: string}} TaskPart
 * @typedef {TextPart|ToolsPart|TaskPart} Part
 * @typedef {{kind: "reply", key: string, agent: string, time: string, parts: Part[], tokens: number, cost: number, durationMs: number, text: string}} Reply
 * @typedef {{kind: "answer", key: string, message: import("chat/log.js").Message}} Answer  of the user, inside a turn
 * @typedef {{index: number, count: number, previous: string|null, next: string|null, isReply: boolean}} Branch
 *   `previous`, `next`: ids of turns to go to. `isReply`: the question is the same in all, only the answers differ
 * @typedef {{id: string, user: import("chat/log.js").Message|null, branch: Branch|null, segments: (Reply|Answer)[], entries: object[]}} Turn
 *   `entries`: all that it is made of, to tell by identity whether anything in it has changed
 */

const inOrder = (a, b) => a.rank - b.rank || a.order - b.order;
const startsTurn = (message) => message.sender === "user" && message.turn === message.id;

/** Whether there is anything to see. A call of tools alone leaves an empty message. */
const isVisible = (message) =>
  message.writing ||
  Boolean(message.content.trim() || message.reasoning || message.error) ||
  message.blocks.some(Boolean) ||
  !["complete", undefined].includes(message.status);

/**
 * @param {import("chat/log.js").Log} log
 * @param {string|null} currentTurn  the one worked on: home of a task that has shown nothing yet
 * @returns {{greeting: Turn|null, turns: Turn[], isWhole: boolean}}  `isWhole`: the path reaches the first turn
 */
export function transcript(log, currentTurn) {
  const followers = groupByFollowed(Object.values(log.messages).filter(startsTurn));
  const path = pathTo(log.head, log.messages);
  const isWhole = log.head === null || (path.length > 0 && (path[0].follows ?? null) === null);
  const byTurn = groupByTurn(log, currentTurn);
  const turnOf = (id, user) => {
    const items = byTurn.get(id) ?? [];
    const entries = [user, ...items.map(({ entry }) => entry)];
    return {
      id: id ?? "greeting",
      user,
      branch: user && branchOf(user, followers),
      segments: segments(items, log, id ?? "greeting"),
      entries,
    };
  };
  const greeting = isWhole && byTurn.has(null) ? turnOf(null, null) : null;
  return { greeting, turns: path.map((user) => turnOf(user.id, user)), isWhole };
}

/** The turns from the first that the page has to `head`. */
function pathTo(head, messages) {
  const path = [];
  for (let turn = messages[head]; turn; turn = messages[turn.follows]) path.push(turn);
  return path.reverse();
}

/** @returns {Map<string|null, import("chat/log.js").Message[]>} the turns that follow each turn, oldest first */
function groupByFollowed(starts) {
  const followers = new Map();
  for (const start of starts.sort((a, b) => a.seq - b.seq)) {
    const followed = start.follows ?? null;
    (followers.get(followed) ?? followers.set(followed, []).get(followed)).push(start);
  }
  return followers;
}

/** @returns {Branch|null} null for a turn without siblings */
function branchOf(user, followers) {
  const siblings = followers.get(user.follows ?? null);
  if (siblings.length < 2) return null;
  const at = siblings.indexOf(user);
  const tip = (turn) => (turn ? newestTip(turn, followers) : null);
  const isReply = siblings.every(({ content }) => content === user.content);
  return {
    index: at + 1,
    count: siblings.length,
    previous: tip(siblings[at - 1]),
    next: tip(siblings[at + 1]),
    isReply,
  };
}

/** The end of a branch: from `turn` along the newest turn that follows each. */
function newestTip(turn, followers) {
  const next = followers.get(turn.id)?.at(-1);
  return next ? newestTip(next, followers) : turn.id;
}

/** @returns {Map<string|null, object[]>} entries with their `kind`, but for the messages that start the turns */
function groupByTurn(log, currentTurn) {
  const groups = new Map();
  const add = (kind, entry, turn) => {
    const group = groups.get(turn) ?? groups.set(turn, []).get(turn);
    group.push({ kind, entry, order: entry.order });
  };
  for (const message of Object.values(log.messages))
    if (!startsTurn(message)) add("message", message, message.turn ?? null);
  for (const tool of Object.values(log.tools)) add("tool", tool, tool.turn ?? null);
  for (const task of Object.values(log.tasks)) add("task", task, turnOfTask(task, log) ?? currentTurn);
  return groups;
}

function turnOfTask(task, log) {
  if (task.turn) return task.turn;
  const parent = log.messages[task.parent_id] ?? log.tools[task.parent_id];
  if (parent) return parent.turn;
  const outer = log.tasks[task.parent_id];
  return outer && outer !== task ? turnOfTask(outer, log) : null;
}

/** Put each entry into the task that it belongs to ("" is the root agent), in order. */
function placeInTasks(entries, log) {
  const places = new Map([["", []]]);
  const homeOf = ({ kind, entry }) => {
    if (kind !== "task") return entry.task && log.tasks[entry.task.id] ? entry.task.id : "";
    if (log.tasks[entry.parent_id]) return entry.parent_id;
    const parent = log.messages[entry.parent_id] ?? log.tools[entry.parent_id];
    return parent?.task && parent.task.id !== entry.id ? parent.task.id : "";
  };
  for (const item of entries) {
    const home = homeOf(item);
    (places.get(home) ?? places.set(home, []).get(home)).push(item);
  }
  for (const items of places.values()) rank(items);
  return places;
}

/** A task stands right after the tool call that started it, and that where the first of the two was seen. */
function rank(items) {
  const tools = new Map(items.filter(({ kind }) => kind === "tool").map((item) => [item.entry.id, item]));
  for (const item of items) item.rank = item.order;
  for (const item of items) {
    const caller = item.kind === "task" && tools.get(item.entry.parent_id);
    if (caller) caller.rank = Math.min(caller.rank, item.order);
  }
  for (const item of items) {
    const caller = item.kind === "task" && tools.get(item.entry.parent_id);
    if (!caller) continue;
    item.rank = caller.rank;
    caller.order = Math.min(caller.order, item.order - 0.5);
  }
  items.sort(inOrder);
}

/** Cut a turn at the user's answers. */
function segments(entries, log, turnId) {
  const places = placeInTasks(entries, log);
  const result = [];
  let run = [];
  const flush = () => {
    const parts = partsOf(run, places);
    if (parts.length) result.push(replyOf(parts, run, `${turnId}/${result.length}`));
    run = [];
  };
  for (const item of places.get("")) {
    if (item.kind === "message" && item.entry.sender === "user") {
      flush();
      result.push({ kind: "answer", key: item.entry.id, message: item.entry });
    } else run.push(item);
  }
  flush();
  return result;
}

/** @returns {Part[]} */
function partsOf(items, places) {
  const parts = [];
  for (const { kind, entry } of items) {
    if (kind === "message" && isVisible(entry)) parts.push({ kind: "text", key: entry.id, message: entry });
    if (kind === "task") parts.push(taskPart(entry, places));
    if (kind !== "tool") continue;
    const last = parts.at(-1);
    if (last?.kind === "tools") last.tools.push(entry);
    else parts.push({ kind: "tools", key: entry.id, tools: [entry] });
  }
  return parts;
}

/** @returns {TaskPart} */
function taskPart(task, places) {
  const items = places.get(task.id) ?? [];
  places.delete(task.id); // so that a task that names itself as its parent ends here
  const parts = partsOf(items, places);
  const { tokens, cost } = task.usage ? used([task]) : totals(parts);
  return {
    kind: "task",
    key: task.id,
    task,
    parts,
    steps: countSteps(parts),
    tokens,
    cost,
    activity: lastActivity(parts),
  };
}

const countSteps = (parts) =>
  parts.reduce(
    (sum, part) => sum + (part.kind === "tools" ? part.tools.length : part.kind === "task" ? part.steps : 1),
    0,
  );

function lastActivity(parts) {
  const last = parts.at(-1);
  if (!last) return "";
  if (last.kind === "task") return last.activity || last.task.name;
  if (last.kind === "tools") return last.tools.at(-1).tool_name;
  const text = last.message.content || last.message.blocks.at(-1)?.replace(/<[^>]*>/g, "") || last.message.reasoning;
  return text.trim().split("\n").at(-1).slice(0, 160);
}

function used(entries) {
  const usages = entries.map(({ usage }) => usage).filter(Boolean);
  const sum = (name) => usages.reduce((total, usage) => total + (usage[name] ?? 0), 0);
  return { tokens: sum("prompt_tokens") + sum("completion_tokens"), cost: sum("cost") };
}

function totals(parts) {
  const own = used(parts.filter(({ kind }) => kind === "text").map(({ message }) => message));
  const nested = parts.filter(({ kind }) => kind === "task");
  return nested.reduce((sum, part) => ({ tokens: sum.tokens + part.tokens, cost: sum.cost + part.cost }), own);
}

/** @returns {Reply} */
function replyOf(parts, items, key) {
  const messages = parts.filter(({ kind }) => kind === "text").map(({ message }) => message);
  const tools = parts.filter(({ kind }) => kind === "tools").flatMap((part) => part.tools);
  const first = items[0].entry;
  return {
    kind: "reply",
    key,
    agent: (messages[0] ?? tools[0] ?? first).agent ?? "",
    time: first.timestamp ?? "",
    parts,
    ...totals(parts),
    durationMs: [...messages, ...tools].reduce((sum, entry) => sum + (entry.duration_ms ?? 0), 0),
    text: messages
      .map(({ content }) => content.trim())
      .filter(Boolean)
      .join("\n\n"),
  };
}
