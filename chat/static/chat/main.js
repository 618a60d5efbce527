/** Puts the page together: its parts, and the one state that they share. */
import { makeActions } from "chat/actions.js";
import { Announcer } from "chat/announce.js";
import { Api, CsrfToken, whyNot } from "chat/api.js";
import { Composer } from "chat/composer.js";
import { Connection } from "chat/connection.js";
import { Conversations } from "chat/conversations.js";
import { byId } from "chat/dom.js";
import { follow } from "chat/effects.js";
import { Embed } from "chat/embed.js";
import { fetchFiles } from "chat/files.js";
import { bindKeys } from "chat/keys.js";
import { Dialogs, loadAtRest, pressIn } from "chat/later.js";
import { Notifier } from "chat/notify.js";
import { forgetPending, pendingOf, pendingOfNew, savePending } from "chat/outbox.js";
import { showLarge } from "chat/pictures.js";
import { ticketFrame } from "chat/protocol.js";
import { Router, seqOf, wishOf } from "chat/router.js";
import { Follower } from "chat/scroll.js";
import { Sidebar } from "chat/sidebar.js";
import { initialState, isBusy } from "chat/state.js";
import { hasUnkept, onTrouble, tryCookies } from "chat/storage.js";
import { Store } from "chat/store.js";
import { bindThemes } from "chat/theme.js";
import { Toasts } from "chat/toasts.js";
import { socketTrouble } from "chat/trouble.js";
import { Uploads } from "chat/uploads.js";
import { View } from "chat/view.js";
import { t } from "chat/words.js";

const NEAR_START_PX = 600; // from here on earlier messages are loaded

const config = { ...byId("app").dataset };
const embed = config.parents ? new Embed(JSON.parse(config.parents)) : null;
const agents = JSON.parse(config.agents);
const wished = wishOf(location.search, agents);
const isMouse = matchMedia("(hover: hover)").matches;

// ---- The state ----

const stored = config.conversation ? pendingOf(config.conversation) : pendingOfNew();
const store = new Store(
  initialState({
    id: stored.id,
    ticket: stored.ticket,
    title: config.title,
    newAgent: wished.agent || config.agent,
    isSole: agents.length === 1,
    isChosen: Boolean(wished.agent),
    pending: stored.items,
    now: Date.now(),
  }),
  () => Date.now(),
);

const connection = new Connection({
  target: () => ({
    path: config.socket,
    conversation: store.state.conversation.id,
    ticket: store.state.conversation.ticket,
    agent: store.state.newAgent,
    temporary: store.state.newTemporary,
    after: store.state.log.newest,
    embed: embed && { isFresh: embed.isFresh },
  }),
  introduce: embed && (async () => ticketFrame(await embed.ticket())),
  onFrame(frame) {
    embed?.hear(frame);
    store.dispatch(frame);
  },
  onLink: (link) => store.dispatch({ type: "page/link", link }),
});
connection.open(); // while the page is put together, which hears of nothing before

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
  page.view.render(store.state, Date.now());
  page.sidebar.update(store.state);
  byId("app").dataset.ready = "true";
}

/** Once what was sent is drawn. */
const showEnd = () => requestAnimationFrame(() => requestAnimationFrame(() => page.follower.toEnd()));

// ---- The parts ----

const token = new CsrfToken(config);
const page = {
  config,
  agents,
  store,
  connection,
  outbox: { forgetPending, savePending },
  schedule,
  draw,
  showEnd,
  socketTrouble: () => socketTrouble(config.socket),
  api: new Api(config.page, embed ?? token),
  toasts: new Toasts(byId("toasts")),
  announcer: new Announcer(byId("says"), byId("alerts")),
};
if (embed)
  fetchFiles(
    (address) => fetch(address, { headers: embed.headers, credentials: "omit" }),
    (error) => page.toasts.show(whyNot(error)),
  );
page.notifier = byId("notify") && new Notifier(byId("notify"), page.toasts);
const actions = makeActions(page);
page.actions = actions;
page.flush = actions.flush;
page.conversations = new Conversations(page);
page.router = new Router(config.page, (id) => page.conversations.open(id), { isFixed: embed !== null });
const limits = { maxFiles: Number(config.maxFiles), maxBytes: Number(config.maxFileBytes) };
// A new conversation gets its address with its first message.
const signInHere = () => config.signIn && `${config.signIn}?next=${encodeURIComponent(location.pathname)}`;
page.composer = new Composer(byId("composer"), actions, Number(config.maxChars), new Uploads(page.api, limits));
page.view = new View({
  agents,
  actions,
  composer: page.composer,
  config: {
    site: config.site,
    isEmbedded: embed !== null,
    get signIn() {
      return signInHere();
    },
  },
});
page.dialogs = new Dialogs(page);
page.menu = {
  open(anchor, chat) {
    this.anchor = anchor;
    page.dialogs.with("menu", (menu) => menu.open(anchor, chat));
  },
  /** Where the focus was before. */
  focusAnchor() {
    this.anchor?.focus();
  },
};
page.sidebar = new Sidebar({
  open: (id) => page.conversations.go(id),
  openNew: actions.openNew,
  change: (ids, changes) => page.conversations.change(ids, changes),
  show: (view) => page.conversations.show(view),
  remove: (id) => page.conversations.remove(id),
  more: () => page.conversations.loadMore(),
  menu: page.menu,
  toasts: page.toasts,
  page: config.page,
});
page.follower = new Follower(byId("scroller"), byId("column"), byId("turns"), (follows) =>
  store.dispatch({ type: "page/follows", follows }),
);

const search = () => page.dialogs.with("search", (dialog) => dialog.open());

// ---- What happens ----

store.subscribe((change) => follow(page, change));
store.subscribe(schedule);
document.addEventListener("visibilitychange", schedule);

/** Clocks that run on the page: seconds of a tool, of a question, until the next attempt. */
setInterval(() => {
  const { link } = store.state;
  const isWaiting = link.phase !== "open" && link.phase !== "closed";
  if (isWaiting || isBusy(store.state)) schedule();
}, 1000);

byId("temporary")?.addEventListener("click", () => page.conversations.openTemporary(!store.state.newTemporary));
addEventListener("pagehide", () => page.conversations.leave(store.state.conversation));
byId("chat-more")?.addEventListener("click", ({ currentTarget }) => {
  const { id, title, agent, temporary } = store.state.conversation;
  const listed = store.state.chats.items.find((chat) => chat.id === id);
  page.menu.open(currentTarget, { ...listed, id, title, agent: agent?.key, temporary });
});
byId("menu").addEventListener("beforetoggle", () => byId("sign-in")?.setAttribute("href", signInHere()));
byId("search-open").addEventListener("click", search);
byId("latest").addEventListener("click", () => page.follower.toEnd({ smooth: true }));
byId("earlier").addEventListener("click", () => page.conversations.loadEarlier());
byId("scroller").addEventListener(
  "scroll",
  ({ currentTarget: { scrollTop } }) => {
    if (scrollTop < NEAR_START_PX && !byId("earlier").hidden) page.conversations.loadEarlier();
  },
  { passive: true },
);
byId("turns").addEventListener("click", (event) => pressIn(event, actions.copy));
byId("turns").addEventListener("click", (event) => showLarge(event, page.dialogs));
document.addEventListener("submit", async (event) => {
  const field = event.target.querySelector("[name=csrfmiddlewaretoken]");
  if (!field) return;
  field.value = token.value;
  if (token.isReadable) return;
  event.preventDefault();
  await token.renew().catch(() => {}); // without a connection the browser's own page says so
  field.value = token.value;
  event.target.submit();
});
if (!embed) onTrouble((problem) => store.dispatch({ type: "page/unkept", problem })); // a frame may keep nothing
tryCookies();
addEventListener("beforeunload", (event) => hasUnkept() && event.preventDefault()); // the browser asks whether to leave
bindThemes(byId("themes"));
bindKeys({
  stop: () => page.composer.isStoppable && actions.stop(),
  leaveAnswer: actions.leaveAnswer,
  openNew: actions.openNew,
  search,
});

const { conversation, pending } = store.state;
page.composer.open(
  conversation.stored ? conversation.id : "",
  pending.map(({ frame }) => frame.content),
);
if (wished.text) page.composer.setText(wished.text);
draw();
if (embed) embed.bind(actions.openNew);
else page.conversations.load();
if (Number(config.taken)) page.toasts.show(t("The conversations from before you signed in are yours now."));
if (isMouse && !embed) page.composer.focus();
const seq = seqOf(location.hash);
if (seq && conversation.id) page.dialogs.with("jump", (jump) => jump.to(conversation.id, seq));
loadAtRest();
