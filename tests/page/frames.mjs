/** Frames of a server, short to write; and what a reader sees once the page has taken them. */
import { initialState, reduce, shownLog } from "chat/state.js";
import { pathOf, turnOf } from "chat/transcript.js";

/** Give the events to the reducer, a second apart; return the state. */
export function play(...events) {
  let now = 0;
  return events.reduce((state, event) => reduce(state, event, (now += 1000)), initialState({ now: 0 }));
}

const outline = (part) =>
  ({
    text: () => part.message.content || part.message.blocks.join(""),
    tools: () => part.tools.map((tool) => tool.tool_name),
    task: () => ({ [part.task.name]: part.parts.map(outline) }),
    reply: () => part.parts.map(outline),
    answer: () => `answer: ${part.message.content}`,
  })[part.kind]();

export const turnsOf = (state) => pathOf(shownLog(state)).map((step) => turnOf(shownLog(state), step));

/** An entry of the log by its id, wherever it stands. */
export const entry = ({ log }, kind, id) =>
  Object.values({ ...log.turns, ...log.live })
    .map((turn) => turn[kind][id])
    .find(Boolean);

/** The turns as a reader sees them: the user's text, then what the agents made of it. */
export const read = (state) => turnsOf(state).map((turn) => [turn.user.content, ...turn.segments.map(outline)]);

export const connection = ({ seq = 0, head = null, resumed = false, ...fields } = {}) => ({
  type: "connection",
  session_id: "c",
  seq,
  head,
  resumed,
  agent: { key: "a", name: "Analyst" },
  ...fields,
});

export const status = (state, turn = null, queued = []) => ({ type: "status", state, turn, queued, agent: "Analyst" });

export const user = (seq, id, { follows = null, content = id, ...fields } = {}) => ({
  type: "message",
  seq,
  message: { id, turn: id, follows, sender: "user", content, depth: 0, ...fields },
});

export const answer = (seq, id, turn, fields = {}) => ({
  type: "message",
  seq,
  message: {
    id,
    turn,
    sender: "assistant",
    agent: "Analyst",
    content: id,
    depth: 0,
    status: "complete",
    ...fields,
  },
});

export const start = (id, turn, fields = {}) => ({
  type: "stream_start",
  message_id: id,
  turn,
  n: 0,
  reasoning_n: 0,
  depth: 0,
  agent: "Analyst",
  content: "",
  blocks: [],
  reasoning: "",
  ...fields,
});

export const html = (id, n, block, text, fields = {}) => ({
  type: "stream_html",
  message_id: id,
  n,
  block,
  html: text,
  ...fields,
});

export const end = (id) => ({ type: "stream_end", message_id: id });

export const head = (seq, turn) => ({ type: "head", seq, turn });

/** A tool's call, or with a `seq` its result. */
export const tool = (id, name, turn, { seq, ...fields } = {}) => ({
  ...(seq ? { type: "tool_result", seq, status: "complete" } : { type: "tool_call" }),
  tool_call_id: id,
  tool_name: name,
  tool_args: {},
  turn,
  depth: 0,
  ...fields,
});

export const send = (id) => ({ type: "page/send", frame: { type: "message", message_id: id, content: id } });
