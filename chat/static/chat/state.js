/**
 * What the page knows, and how each event changes it. Pure: no DOM, no socket, no clock (`now` is given).
 * Events are the server's frames, by their own types, and the page's, whose types begin with "page/".
 *
 * @typedef {object} Pending  Something the user sent that the server has not accepted yet.
 * @property {string} id  the `message_id` of its frame
 * @property {object} frame  to be sent, as often as it takes
 * @property {object[]} [files]  that go with it
 * @property {"queued"|"sent"|"failed"} state
 * @property {number} at  milliseconds
 * @property {{code: string, details: string}} [error]  with "failed"
 *
 * @typedef {object} State
 * @property {{phase: "connecting"|"open"|"waiting"|"closed", retryAt: number, since: number, code: number, unopened?: number}} link
 *   `since`: since when it is not open
 * @property {{id: string, ticket: string, title: string, agent: {key: string, name: string}|null, stored: boolean, temporary: boolean, allowed: string[], suggestions: string[]}} conversation
 *   `allowed`: the tools that run here without asking
 * @property {{state: "idle"|"running"|"waiting"|"stopping", turn: string|null, queued: string[], agent: string}} status
 * @property {object|null} ask  the open `input_request`
 * @property {object|null} progress  how far the turn has come, where it says so
 * @property {Pending[]} pending
 * @property {import("chat/log.js").Log} log
 * @property {import("chat/log.js").Log|null} shadow  the log before a fresh snapshot; shown until that is complete
 * @property {number} target  newest record when the socket opened
 * @property {boolean} replayed  the page has all records up to there
 * @property {boolean} newTemporary  a new conversation is not to be kept
 * @property {string} newAgent  key of the agent that a new conversation gets
 * @property {object|null} newSettings  what was set for it before its first message
 * @property {boolean} isSole  there is no other agent
 * @property {boolean} isChosen  people have chosen this one for the new conversation
 * @property {boolean} answers  the composer answers the open question; Esc leaves that
 * @property {boolean} expectsTurn  an edit or regenerate is on its way: the next head is its turn
 * @property {Record<string, true>} own  what was sent from this page, by its id or its turn's: such a turn starts at the top
 *   of the window
 * @property {boolean} follows  the reader is at the end
 * @property {number} unseen  answers that came while the reader was not
 * @property {number} idleSeq  newest record when the agent was last said to be idle
 * @property {{code: string, details: string, incident?: string}|null} notice  an error that belongs to no message
 * @property {""|"full"|"blocked"} unkept  why the browser keeps nothing, until the user has read it
 * @property {string} trouble  why no socket opens, for whoever runs the site; "" while that is not known
 * @property {Record<string, {value: "up"|"down", reasons: string[], comment: string}>} feedback  by message
 * @property {{items: object[], more: boolean, folders: string[], view: string}} chats  the owner's conversations that are
 *   listed, pinned ones and then the newest first; `view`: "", "archived" or "folder:NAME"
 */
import { emptyLog, logEvents, prepend, settle, trim } from "chat/log.js";
import { pathOf } from "chat/transcript.js";

const IDLE = { state: "idle", turn: null, queued: [], agent: "" };

/** @returns {State} */
export function initialState({
  id = "",
  ticket = "",
  title = "",
  newAgent = "",
  newTemporary = false,
  isSole = false,
  isChosen = false,
  pending = [],
  now = 0,
} = {}) {
  return {
    link: { phase: "connecting", retryAt: 0, since: now, code: 0 },
    conversation: {
      id,
      ticket,
      title,
      agent: null,
      temporary: newTemporary && !id,
      allowed: [],
      suggestions: [],
      stored: Boolean(id) && !ticket,
    },
    newAgent,
    newTemporary,
    newSettings: null,
    isSole,
    isChosen,
    limits: {},
    status: IDLE,
    ask: null,
    progress: null,
    answers: true,
    expectsTurn: false,
    own: {},
    follows: true,
    unseen: 0,
    pending: pending.map((item) => ({ ...item, state: "queued", error: undefined })),
    log: emptyLog(),
    shadow: null,
    target: 0,
    replayed: false,
    idleSeq: 0,
    loadingEarlier: false,
    notice: null,
    feedback: {},
    unkept: "",
    trouble: "",
    chats: { items: [], more: false, folders: [], view: "" },
  };
}

/** The log to show. */
export const shownLog = (state) => state.shadow ?? state.log;

/** Whether a turn runs or waits for an answer. */
export const isBusy = (state) => state.status.state !== "idle";

/** What kind of answer a question wants. */
export const kindOf = (ask) => ask.kind ?? "text";

/** Whether a frame answers the open question in its card; a text comes from the composer, and is a message. */
export const isInCard = ({ ask }, frame) =>
  Boolean(ask) && frame.request_id === ask.request_id && kindOf(ask) !== "text";

/** The question that the composer's text answers. @returns {object|null} */
export const questionOf = ({ ask, answers }) => (ask && answers && kindOf(ask) === "text" ? ask : null);

const changePending = (state, id, change) => ({
  ...state,
  pending: state.pending.map((item) => (item.id === id ? { ...item, ...change } : item)),
});
const withoutPending = (state, id) =>
  state.pending.some((item) => item.id === id)
    ? { ...state, pending: state.pending.filter((item) => item.id !== id) }
    : state;

/** As the server lists them: where two were used in the same moment, by id. */
const byPlace = (a, b) =>
  Number(b.pinned ?? false) - Number(a.pinned ?? false) || byText(b.updated, a.updated) || byText(b.id, a.id);
const byText = (a, b) => (a < b ? -1 : Number(a > b));

/** Whether a conversation belongs into what the list shows. */
const isIn = (view, { archived = false, folder = "" }) =>
  view === "archived" ? archived : !archived && (!view || view === `folder:${folder}`);

function withChat(chats, item) {
  const known = chats.items.find(({ id }) => id === item.id);
  const others = chats.items.filter(({ id }) => id !== item.id);
  const now = { ...known, ...item };
  const folders =
    !now.folder || chats.folders.includes(now.folder) ? chats.folders : [...chats.folders, now.folder].sort();
  return { ...chats, folders, items: isIn(chats.view, now) ? [now, ...others].sort(byPlace) : others };
}

/** What stood on the page is read. The server says so too, but maybe before the next socket can hear it. */
const withRead = ({ chats, conversation, log }) => ({
  ...chats,
  items: chats.items.map((chat) =>
    chat.id === conversation.id ? { ...chat, read_seq: Math.max(chat.read_seq, log.newest) } : chat,
  ),
});

/** @type {Record<string, (state: State, event: object, now: number) => State>} */
const handlers = {
  connection(state, event) {
    const fresh = !event.resumed;
    const snapshot = { ...emptyLog(), head: event.head ?? null, earlier: Boolean(event.earlier) };
    const held = state.log.newest > 0 && event.seq > 0 ? shownLog(state) : null;
    return {
      ...state,
      link: { phase: "open", retryAt: 0, since: 0, code: 0 },
      conversation: {
        ...state.conversation,
        id: event.session_id,
        ticket: event.ticket ?? "",
        agent: event.agent,
        temporary: Boolean(event.temporary),
        allowed: event.allowed ?? [],
        suggestions: event.suggestions ?? [],
        stored: !event.ticket,
      },
      limits: event.limits ?? {},
      log: fresh ? snapshot : { ...state.log, head: event.head ?? null, gap: false },
      shadow: fresh ? held : state.shadow,
      target: event.seq,
      trouble: "",
      replayed: !event.seq || (!fresh && state.log.newest >= event.seq),
      ask: null,
    };
  },

  status(state, { state: name, turn, queued, agent }) {
    const status = { state: name, turn: turn ?? null, queued: queued ?? [], agent: agent ?? "" };
    const progress = name === "idle" || status.turn !== state.status.turn ? null : state.progress;
    const next = { ...state, status, progress, ask: name === "waiting" ? state.ask : null };
    return name === "idle"
      ? { ...next, log: settle(state.log), idleSeq: Math.max(state.log.newest, state.target) }
      : next;
  },

  input_request(state, event, now) {
    const isKnown = state.ask?.request_id === event.request_id;
    return { ...state, ask: { ...event, askedAt: now }, answers: isKnown ? state.answers : true };
  },

  accepted(state, event) {
    const conversation = { ...state.conversation, stored: true, ticket: "" };
    return { ...withoutPending(state, event.client_id), conversation, notice: null };
  },

  error(state, { error: code, details, client_id, message_id, incident, retry_ms }) {
    const error = { code, details, incident, retry_ms };
    if (client_id && state.pending.some(({ id }) => id === client_id))
      return changePending(state, client_id, { state: "failed", error });
    const next = { ...state, expectsTurn: false };
    if (message_id || (code === "not_found" && state.link.phase !== "open")) return next; // its record, or the close code, says it
    return { ...next, notice: error };
  },

  conversation(state, event) {
    const { type, ...item } = event;
    if (event.state === "deleted")
      return { ...state, chats: { ...state.chats, items: state.chats.items.filter(({ id }) => id !== event.id) } };
    const next = { ...state, chats: withChat(state.chats, item) };
    return event.id === state.conversation.id
      ? {
          ...next,
          conversation: {
            ...state.conversation,
            title: event.title,
            allowed: event.allowed ?? [],
            suggestions: event.suggestions ?? [],
          },
        }
      : next;
  },

  feedback: (state, { message_id: id, feedback }) => ({
    ...state,
    feedback: { ...state.feedback, [id]: feedback ?? undefined },
  }),

  "page/link"(state, { link }, now) {
    const since = state.link.since || now;
    const pending = state.pending.map((item) => (item.state === "sent" ? { ...item, state: "queued" } : item));
    return { ...state, link: { retryAt: 0, code: 0, ...link, since }, pending };
  },

  "page/open": (state, event, now) => ({
    ...initialState({ newTemporary: state.newTemporary && !event.id, ...event, now }),
    chats: withRead(state),
    unkept: state.unkept,
    newAgent: state.newAgent,
    isSole: state.isSole,
    isChosen: state.isChosen && !state.conversation.stored,
    own: state.own,
  }),

  "page/send"(state, { frame, files = [] }, now) {
    const id = frame.message_id;
    const isReplaced = (item) =>
      item.state === "failed" && frame.request_id && item.frame.request_id === frame.request_id;
    const pending = [
      ...state.pending.filter((item) => !isReplaced(item)),
      { id, frame, files, state: "queued", at: now },
    ];
    // What waits for its turn stays below the answer that is being written.
    const own = (frame.content || files.length) && !isBusy(state) ? { ...state.own, [id]: true } : state.own;
    return { ...state, notice: null, pending, own };
  },
  "page/sent": (state, { id }) => changePending(state, id, { state: "sent", error: undefined }),
  "page/retry": (state, { id }) => changePending(state, id, { state: "queued", error: undefined }),
  "page/cancel": (state, { id }) => withoutPending(state, id),
  "page/unkept": (state, { problem }) => ({ ...state, unkept: problem }),
  "page/trouble": (state, { trouble }) => (state.link.phase === "open" ? state : { ...state, trouble }),
  "page/notice": (state, { notice }) => ({ ...state, notice }),

  "page/follows": (state, { follows }) =>
    follows === state.follows ? state : { ...state, follows, unseen: follows ? 0 : state.unseen },
  "page/trim": (state, { count }) => ({ ...state, log: trim(state.log, pathOf(state.log), count) }),

  "page/temporary": (state, { temporary }) => ({ ...state, newTemporary: temporary }),
  "page/feedback": (state, { id, feedback }) =>
    id === state.conversation.id ? { ...state, feedback: { ...state.feedback, ...feedback } } : state,

  "page/agent": (state, { key }) => ({ ...state, newAgent: key, isChosen: true }),
  "page/settings": (state, { values }) => ({ ...state, newSettings: values }),
  "page/answers": (state, { answers }) => ({ ...state, answers }),
  "page/expects-turn": (state) => ({ ...state, expectsTurn: true, notice: null }),

  "page/loading-earlier": (state, { loading }) => ({ ...state, loadingEarlier: loading }),
  "page/earlier": (state, { id, records, earlier }) =>
    id === state.conversation.id
      ? { ...state, loadingEarlier: false, log: prepend(state.log, records, earlier) }
      : state,

  "page/chats"(state, { conversations, more, folders, view = "" }) {
    if (view !== state.chats.view) return state; // another one was chosen meanwhile
    const chats = conversations.reduce(withChat, { ...state.chats, folders: folders ?? state.chats.folders });
    const current = chats.items.find(({ id }) => id === state.conversation.id);
    const title = current?.title ?? state.conversation.title;
    return { ...state, chats: { ...chats, more }, conversation: { ...state.conversation, title } };
  },
  "page/chats-view": (state, { view }) => ({ ...state, chats: { ...state.chats, items: [], more: false, view } }),
  "page/chat-removed": (state, { id }) => ({
    ...state,
    chats: { ...state.chats, items: state.chats.items.filter((item) => item.id !== id) },
  }),
};

/** A record is ours if it carries the id that we made: then it needs no sending any more. */
const ownId = (event) => (event.type === "message" ? event.message.client_id : null);

const isAnswer = ({ type, message }) =>
  type === "message" && message.sender === "assistant" && !message.depth && message.content !== "";

/** The turn that an edit or regenerate makes is like one that was typed. */
const withExpectedTurn = (state, before) =>
  state.expectsTurn && state.log.head !== before.log.head
    ? { ...state, expectsTurn: false, own: { ...state.own, [state.log.head]: true } }
    : state;

/** Of the turn itself; those of its tools are in the log. */
function withProgress(state, event) {
  const isOfTurn = event.type === "progress" && !event.tool_call_id;
  return isOfTurn ? { ...state, progress: event.is_over ? null : event } : state;
}

function reduceLog(before, event, now) {
  const state = withProgress(before, event);
  const log = logEvents[event.type](state.log, event, now, state.status.turn);
  if (log === state.log) return state;
  const replayed = state.replayed || log.newest >= state.target;
  const unseen = state.unseen + (!state.follows && state.replayed && isAnswer(event) ? 1 : 0);
  const next = withExpectedTurn({ ...state, log, replayed, unseen, shadow: replayed ? null : state.shadow }, state);
  const id = ownId(event);
  return id ? withoutPending(next, id) : next;
}

/**
 * @param {State} state
 * @param {object} event  a server's frame, or one of the page's events
 * @param {number} now  milliseconds
 * @returns {State} the same object if nothing changed
 */
export function reduce(state, event, now) {
  if (Object.hasOwn(logEvents, event.type)) return reduceLog(state, event, now);
  return Object.hasOwn(handlers, event.type) ? handlers[event.type](state, event, now) : state;
}
