/**
 * From the log to what is read from top to bottom: the turns on the path to the head, and in each the agents' work as a
 * tree of parts. Pure. What is made of a turn is made once, until something in that turn changes.
 *
 * @typedef {import("chat/log.js").Message} Message
 * @typedef {{kind: "text", key: string, message: Message}} TextPart
 * @typedef {{kind: "tools", key: string, tools: object[]}} ToolsPart  tool calls in a row
 * @typedef {{kind: "task", key: string, task: object, parts: Part[], steps: number, tokens: number, isEstimated: boolean, cost: number, activity: string}} TaskPart
 * @typedef {{kind: "shown", key: string, message: Message}} ShownPart  what an agent shows beside its words
 * @typedef {TextPart|ToolsPart|TaskPart|ShownPart} Part
 * @typedef {{kind: "reply", key: string, agent: string, time: string, parts: Part[], tokens: number, isEstimated: boolean, cost: number, durationMs: number, text: string}} Reply
 * @typedef {{kind: "answer", key: string, message: Message}} Answer  of the user, inside a turn
 * @typedef {{index: number, count: number, previous: string|null, next: string|null, isReply: boolean}} Branch
 *   `previous`, `next`: ids of turns to go to. `isReply`: the question is the same in all, only the answers differ
 * @typedef {{id: string, user: Message|null, branch: Branch|null}} Step  one turn of the path
 * @typedef {{id: string, user: Message|null, branch: Branch|null, segments: (Reply|Answer)[]}} Turn
 */
import { GREETING, turnLog } from "chat/log.js";

const NO_STEPS = [];
const GREETING_STEP = Object.freeze({ id: GREETING, user: null, branch: null });
const pathCache = new WeakMap(); // of `log.starts`
const segmentsCache = new WeakMap(); // of a turn's log

/**
 * The turns to show, oldest first: the same array until a turn begins or the head moves.
 * @param {import("chat/log.js").Log} log
 * @returns {Step[]}
 */
export function pathOf({ starts, head }) {
  if (!starts[head]) return NO_STEPS;
  const cached = pathCache.get(starts);
  if (cached?.head === head) return cached.steps;
  // What was taken back before an agent had begun it is no version to go to: nothing ever came of it.
  const followers = groupByFollowed(Object.values(starts).filter(({ status }) => status !== "stopped"));
  const steps = pathTo(head, starts).map((user) => ({ id: user.id, user, branch: branchOf(user, followers) }));
  pathCache.set(starts, { head, steps });
  return steps;
}

/** What stands before the first turn, where that is loaded. @returns {Step|null} */
export function greetingOf(log) {
  const first = pathOf(log)[0];
  const isWhole = log.head === null || (first && (first.user.follows ?? null) === null);
  return isWhole && (log.live[GREETING] ?? log.turns[GREETING]) ? GREETING_STEP : null;
}

/** @param {Step} step @returns {Turn} */
export function turnOf(log, step) {
  const turn = turnLog(log, step.id);
  if (!segmentsCache.has(turn)) segmentsCache.set(turn, segments(turn, step.id));
  return { ...step, segments: segmentsCache.get(turn) };
}

const inOrder = (a, b) => a.rank - b.rank || a.order - b.order;

/** Whether there is anything to see. A call of tools alone leaves an empty message. */
const isVisible = (message) =>
  message.writing ||
  Boolean(message.content.trim() || message.reasoning || message.error) ||
  message.blocks.some(Boolean) ||
  !["complete", undefined].includes(message.status);

/** Whether it has more than words to show; its words only stand in for that. */
const isShown = ({ parts }) => Boolean(parts?.some(({ kind }) => kind !== "text"));

/** The turns from the first that the page has to `head`. */
function pathTo(head, starts) {
  const path = [];
  for (let turn = starts[head]; turn; turn = starts[turn.follows]) path.push(turn);
  return path.reverse();
}

/** @returns {Map<string|null, Message[]>} the turns that follow each turn, oldest first */
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
  const siblings = followers.get(user.follows ?? null) ?? [];
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
  let tip = turn;
  for (let next = turn; next; next = followers.get(tip.id)?.at(-1)) tip = next;
  return tip.id;
}

/**
 * The end of the branch in which the record with this number stands, to go there; null where the page lacks it.
 * @param {import("chat/log.js").Log} log
 */
export function newestTipOf({ starts, turns, live }, seq) {
  const has = ({ messages }) => Object.values(messages).some((message) => message.seq === seq);
  const inTurn = Object.entries({ ...turns, ...live }).find(([, turn]) => has(turn))?.[0];
  const start = starts[inTurn] ?? Object.values(starts).find((message) => message.seq === seq);
  return start ? newestTip(start, groupByFollowed(Object.values(starts))) : null;
}

/** @param {import("chat/log.js").TurnLog} turn @returns {object[]} its entries with their `kind` */
function entriesOf({ messages, tools, tasks }) {
  const as = (kind) => (entry) => ({ kind, entry, order: entry.order });
  return [
    ...Object.values(messages).map(as("message")),
    ...Object.values(tools).map(as("tool")),
    ...Object.values(tasks).map(as("task")),
  ];
}

/** Put each entry into the task that it belongs to ("" is the root agent), in order. */
export function placeInTasks(turn) {
  const { messages, tools, tasks } = turn;
  const places = new Map([["", []]]);
  const homeOf = ({ kind, entry }) => {
    if (kind !== "task") return entry.task && tasks[entry.task.id] ? entry.task.id : "";
    if (tasks[entry.parent_id]) return entry.parent_id;
    const parent = messages[entry.parent_id] ?? tools[entry.parent_id];
    return parent?.task && parent.task.id !== entry.id ? parent.task.id : "";
  };
  for (const item of entriesOf(turn)) {
    const home = homeOf(item);
    (places.get(home) ?? places.set(home, []).get(home)).push(item);
  }
  for (const items of places.values()) rank(items);
  return places;
}

/** What a tool call has made (a task, something shown) stands right after it, and that where the first was seen. */
function rank(items) {
  const tools = new Map(items.filter(({ kind }) => kind === "tool").map((item) => [item.entry.id, item]));
  for (const item of items) item.rank = item.order;
  const answers = items.filter(({ kind, entry }) => kind === "message" && entry.sender === "user");
  for (const tool of tools.values()) {
    const { order } = answers.find(({ entry }) => entry.timestamp > tool.entry.timestamp) ?? tool;
    if (order < tool.order) tool.rank = tool.order = order - 0.5; // its record comes after the answer that it waited for
  }
  for (const item of items) {
    const caller = item.kind !== "tool" && tools.get(item.entry.parent_id);
    if (caller) caller.rank = Math.min(caller.rank, item.order);
  }
  for (const item of items) {
    const caller = item.kind !== "tool" && tools.get(item.entry.parent_id);
    if (!caller) continue;
    item.rank = caller.rank;
    caller.order = Math.min(caller.order, item.order - 0.5);
  }
  items.sort(inOrder);
}

/** Cut a turn at the user's answers. */
function segments(turn, turnId) {
  const places = placeInTasks(turn);
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
    if (kind === "message" && isShown(entry)) parts.push({ kind: "shown", key: entry.id, message: entry });
    else if (kind === "message" && isVisible(entry)) parts.push({ kind: "text", key: entry.id, message: entry });
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
  const { tokens, cost, isEstimated } = task.usage ? used([task]) : totals(parts);
  return {
    kind: "task",
    key: task.id,
    task,
    parts,
    steps: countSteps(parts),
    tokens,
    isEstimated,
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
  const text = last.message.content || last.message.blocks.at(-1)?.replace(/<[^<>]*>/g, "") || last.message.reasoning;
  return text.trim().split("\n").at(-1).slice(0, 160);
}

export function used(entries) {
  const usages = entries.map(({ usage }) => usage).filter(Boolean);
  const sum = (name) => usages.reduce((total, usage) => total + (usage[name] ?? 0), 0);
  const isEstimated = usages.some(({ basis }) => basis === "estimated");
  return { tokens: sum("prompt_tokens") + sum("completion_tokens"), cost: sum("cost"), isEstimated };
}

function totals(parts) {
  const own = used(parts.filter(({ kind }) => kind === "text").map(({ message }) => message));
  const nested = parts.filter(({ kind }) => kind === "task");
  return nested.reduce(
    (sum, part) => ({
      tokens: sum.tokens + part.tokens,
      cost: sum.cost + part.cost,
      isEstimated: sum.isEstimated || part.isEstimated,
    }),
    own,
  );
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
