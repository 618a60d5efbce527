/** Ties the parts together: one state, changed by `dispatch`; what follows from a change; what the buttons do. */
import { Announcer } from "chat/announce.js";
import { Api } from "chat/api.js";
import { Composer } from "chat/composer.js";
import { Connection } from "chat/connection.js";
import { copyText, showCopied } from "chat/copy.js";
import { forgetPending, pendingOf, pendingOfNew, savePending } from "chat/outbox.js";
import { NOT_FOUND, answerFrame, commandFrame, messageFrame, newId, syncFrame } from "chat/protocol.js";
import { Follower } from "chat/scroll.js";
import { bindKeys } from "chat/keys.js";
import { Sidebar } from "chat/sidebar.js";
import { initialState, isBusy, reduce } from "chat/state.js";
import { bindThemes } from "chat/theme.js";
import { Toasts } from "chat/toasts.js";
import { View } from "chat/view.js";

const CAUGHT_UP_MS = 10_000; // after a longer break the page says that it is complete again

const find = (id) => document.getElementById(id);
const config = { ...find("app").dataset };
const agents = JSON.parse(config.agents);
const api = new Api(config.page, config.csrf);
const toasts = new Toasts(find("toasts"));
const announcer = new Announcer(find("says"), find("alerts"));

const stored = config.conversation ? pendingOf(config.conversation) : pendingOfNew();
let agentKey = config.agent; // of a new conversation
let answers = true; // the composer answers the open question; Esc leaves that
let expectsTurn = false; // an edit or regenerate is on its way
const sent = new Set(); // what was sent from here, by its id or its turn's: those turns start at the top of the window
let state = initialState({
  id: stored.id,
  ticket: stored.ticket,
  title: config.title,
  pending: stored.items,
  now: Date.now(),
});

const connection = new Connection({
  target: () => ({
    path: config.socket,
    conversation: state.conversation.id,
    ticket: state.conversation.ticket,
    agent: agentKey,
    after: state.log.newest,
  }),
  onFrame: dispatch,
  onLink: (link) => dispatch({ type: "page/link", link }),
});

function dispatch(event) {
  const before = state;
  state = reduce(state, event, Date.now());
  if (state === before) return;
  follow(before, event);
  schedule();
}

// ---- What follows from a change ----

function follow(before, event) {
  if (event.type === "connection") onConnected(before);
  if (state.link.code === NOT_FOUND && state.conversation.ticket) return startAfresh();
  if (state.pending !== before.pending || state.conversation.ticket !== before.conversation.ticket) savePending(state);
  if (state.log.gap && !before.log.gap) connection.open();
  for (const message of Object.values(state.log.messages)) {
    if (message.stale && !before.log.messages[message.id]?.stale) connection.send(syncFrame(message.id));
  }
  if (state.conversation.stored && state.conversation.id) showAddress();
  if (event.type === "error") expectsTurn = false;
  if (expectsTurn && state.log.head !== before.log.head) showNewTurn();
  if (event.type === "accepted") composer.accepted(state.conversation.id);
  if (state.ask?.request_id !== before.ask?.request_id) answers = true;
  announcer.follow(before, state, event);
}

/** The ticket of a conversation without a message is too old: what waits for it goes to a new one. */
function startAfresh() {
  const { conversation, pending } = state;
  forgetPending(conversation.id);
  dispatch({ type: "page/open", id: "", pending });
  connection.open();
}

function onConnected(before) {
  const gap = before.link.since && before.conversation.id && before.log.newest ? Date.now() - before.link.since : 0;
  if (gap > CAUGHT_UP_MS) toasts.show("Connected again. Everything is up to date.");
  flush();
}

/** Send what waits, in order. */
function flush() {
  if (state.link.phase !== "open") return;
  for (const { id, frame, state: phase } of state.pending) {
    if (phase === "queued" && connection.send(frame)) dispatch({ type: "page/sent", id });
  }
}

/** The first accepted message gives the conversation its address. */
function showAddress() {
  const address = addressOf(state.conversation.id);
  if (location.pathname !== address) history.replaceState(null, "", address);
}

function showNewTurn() {
  expectsTurn = false;
  sent.add(state.log.head);
  toEndSoon();
}

/** Once what was sent is drawn. */
const toEndSoon = () => requestAnimationFrame(() => requestAnimationFrame(() => follower.toEnd()));

const addressOf = (id) => (id ? `${config.page}c/${id}/` : config.page);

// ---- Drawing: at most once a frame, however many events came ----

let isScheduled = false;

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  // A hidden page has no frames, but a title that shows a question.
  if (document.hidden) setTimeout(draw, 250);
  else requestAnimationFrame(draw);
}

function draw() {
  isScheduled = false;
  view.render(state, { now: Date.now(), sent, answers, agent: agentKey });
  sidebar.update(state);
  find("app").dataset.ready = "true";
}

/** Clocks that run on the page: seconds of a tool, of a question, until the next attempt. */
setInterval(() => {
  const isWaiting = state.link.phase !== "open" && state.link.phase !== "closed";
  if (isWaiting || isBusy(state)) schedule();
}, 1000);
document.addEventListener("visibilitychange", schedule);

// ---- What the buttons do ----

const actions = {
  send(text) {
    const answersNow = answers && state.ask && (state.ask.kind ?? "text") === "text";
    const id = newId();
    if (!isBusy(state)) sent.add(id); // what waits for its turn stays below the answer that is being written
    const frame = answersNow ? answerFrame(id, state.ask.request_id, { content: text }) : messageFrame(id, text);
    dispatch({ type: "page/send", frame });
    flush();
    toEndSoon();
  },
  answer(requestId, answer) {
    dispatch({ type: "page/send", frame: answerFrame(newId(), requestId, answer) });
    flush();
  },
  cancel(pending) {
    dispatch({ type: "page/cancel", id: pending.id });
    if (!composer.field.value) composer.setText(pending.frame.content);
    composer.focus();
  },
  retry(pending) {
    dispatch({ type: "page/retry", id: pending.id });
    flush();
  },
  stop: () => connection.send(commandFrame("stop")),
  edit: (turn, content) => startTurn("edit", { message_id: turn, content }),
  regenerate: (turn) => startTurn("regenerate", { message_id: turn }),
  branch: (turn) => command("branch", { turn }),
  editLast: () => view.editLast(),
  async copy(text, control) {
    if (await copyText(text)) {
      showCopied(control);
      announcer.say("Copied");
    } else toasts.show("The browser does not allow copying here.");
  },
  focusField() {
    answers = true;
    schedule();
    composer.focus();
  },
  useStarter(text) {
    composer.setText(text);
    composer.focus();
  },
  chooseAgent(key) {
    agentKey = key;
    open("", { push: false });
  },
  openNew: () => open(""),
  reconnect: () => {
    connection.close();
    connection.open();
  },
  dismissNotice() {
    dispatch({ type: "page/notice", notice: null });
    composer.focus();
  },
};

function command(name, fields) {
  const isSent = connection.send(commandFrame(name, fields));
  if (isSent) dispatch({ type: "page/notice", notice: null });
  else toasts.show("That needs a connection.");
  return isSent;
}

/** The turn that it makes becomes the head: show it like one that was typed. */
function startTurn(name, fields) {
  expectsTurn = command(name, fields);
}

/** Show another conversation in this page; "" is a new one. */
function open(id, { push = true } = {}) {
  const { items, ticket } = pendingOf(id);
  const title = state.chats.items.find((chat) => chat.id === id)?.title ?? "";
  connection.close();
  if (push && location.pathname !== addressOf(id)) history.pushState(null, "", addressOf(id));
  dispatch({ type: "page/open", id, ticket, title, pending: items });
  composer.open(
    id,
    items.map(({ frame }) => frame.content),
  );
  connection.open();
  follower.toEnd();
  if (push && matchMedia("(hover: hover)").matches) composer.focus();
}

async function loadChats(before) {
  try {
    dispatch({ type: "page/chats", ...(await api.conversations({ before })) });
  } catch {
    if (before) toasts.show("The list could not be loaded.");
  }
}

async function loadEarlier() {
  if (state.loadingEarlier) return;
  const { id } = state.conversation;
  dispatch({ type: "page/loading-earlier", loading: true });
  try {
    const { records, earlier } = await api.records(id, { before: state.log.oldest });
    const anchor = find("turns").firstElementChild;
    follower.keep(anchor, () => {
      dispatch({ type: "page/earlier", id, records, earlier });
      draw();
    });
  } catch {
    dispatch({ type: "page/loading-earlier", loading: false });
    toasts.show("Earlier messages could not be loaded.");
  }
}

async function rename(id, title) {
  try {
    await api.rename(id, title);
    dispatch({ type: "page/renamed", id, title });
  } catch {
    toasts.show("The conversation could not be renamed.");
  }
}

async function remove(id) {
  try {
    await api.remove(id);
    dispatch({ type: "page/chat-removed", id });
  } catch {
    toasts.show("The conversation could not be deleted.");
  }
  sidebar.forget(id);
  schedule();
}

// ---- Start ----

const composer = new Composer(find("composer"), actions, Number(config.maxChars));
const view = new View({
  agents,
  actions,
  config: {
    site: config.site,
    // A new conversation gets its address with its first message.
    get signIn() {
      return `${config.signIn}?next=${encodeURIComponent(location.pathname)}`;
    },
  },
  composer,
});
const sidebar = new Sidebar({
  open,
  openNew: actions.openNew,
  rename,
  remove,
  toasts,
  page: config.page,
  more: () => loadChats(state.chats.items.at(-1)?.id),
});
const follower = new Follower(
  find("scroller"),
  find("column"),
  find("turns"),
  (isFollowing) => (find("latest").hidden = isFollowing),
);

find("latest").addEventListener("click", () => follower.toEnd({ smooth: true }));
find("earlier").addEventListener("click", loadEarlier);
find("turns").addEventListener("click", ({ target }) => {
  const control = target.closest("[data-action]");
  const figure = control?.closest("figure");
  if (control?.dataset.action === "copy-code") actions.copy(figure.querySelector("pre").textContent, control);
  if (control?.dataset.action === "wrap-code") {
    const isWrapped = figure.toggleAttribute("data-ui-wrap");
    control.setAttribute("aria-pressed", String(isWrapped));
  }
});
addEventListener("popstate", () => open(/\/c\/([0-9a-f-]{36})\/$/.exec(location.pathname)?.[1] ?? "", { push: false }));
bindThemes(find("themes"));
bindKeys({
  stop: () => composer.isStoppable && actions.stop(),
  leaveAnswer() {
    if (!state.ask || !answers || (state.ask.kind ?? "text") !== "text") return false;
    answers = false;
    schedule();
    return true;
  },
  openNew: actions.openNew,
});

composer.open(
  state.conversation.stored ? state.conversation.id : "",
  state.pending.map(({ frame }) => frame.content),
);
draw();
connection.open();
loadChats();
if (matchMedia("(hover: hover)").matches) composer.focus();
