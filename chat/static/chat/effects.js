/**
 * What follows from a change of the state, beside the drawing: each row says when, and what is done. The order counts.
 *
 * @typedef {{before: import("chat/state.js").State, state: import("chat/state.js").State, event: object}} Change
 * @typedef {object} Page  what effects work with: `store`, `connection`, `composer`, `outbox`, `router`, `toasts`,
 *   `announcer`, `socketTrouble`, `showEnd`, `flush`
 */
import { liveMessage } from "chat/log.js";
import { NOT_FOUND, syncFrame } from "chat/protocol.js";
import { isBusy } from "chat/state.js";
import { pathOf } from "chat/transcript.js";
import { t } from "chat/words.js";

const MOST_TURNS = 400; // on the page; then all but the last of them are let go, and load again on the way up
const KEPT_TURNS = 100;
const UNOPENED = 3; // sockets that did not open, before HTTP is asked why
const CAUGHT_UP_MS = 10_000; // after a longer break the page says that it is complete again

/** Of the part of the state that `pick` gives. */
const changed =
  (pick) =>
  ({ before, state }) =>
    pick(before) !== pick(state);

const wasLong = ({ link, conversation, log }, now) =>
  Boolean(link.since && conversation.id && log.newest && now - link.since > CAUGHT_UP_MS);

/** The ticket of a conversation without a message is too old. */
const isLost = ({ link, conversation }) => link.code === NOT_FOUND && conversation.ticket !== "";

const isStale = ({ log }, { message_id: id }) => Boolean(id && liveMessage(log, id)?.stale);

/** @type {{name: string, when: (change: Change, page: Page) => boolean, run: (page: Page, change: Change) => void}[]} */
export const EFFECTS = [
  {
    name: "say that nothing was missed",
    when: ({ event, before }, { store }) => event.type === "connection" && wasLong(before, store.now()),
    run: ({ toasts }) => toasts.show(t("Connected again. Everything is up to date.")),
  },
  {
    name: "send what waits",
    when: ({ event }) => event.type === "connection",
    run: ({ flush }) => flush(),
  },
  {
    name: "let the agent speak first, where people have chosen it",
    when: ({ event, state }) => Boolean(event.opens && (state.isSole || state.isChosen) && !state.pending.length),
    run: ({ actions }) => actions.letOpen(),
  },
  {
    name: "keep what waits",
    when: (change) =>
      !isLost(change.state) &&
      (changed(({ pending }) => pending)(change) || changed(({ conversation }) => conversation.ticket)(change)),
    run: ({ outbox }, { state }) => outbox.savePending(state),
  },
  {
    name: "take what waits for a lost conversation to a new one",
    when: ({ state }) => isLost(state),
    run({ outbox, store }, { state: { conversation, pending } }) {
      outbox.forgetPending(conversation.id);
      store.dispatch({ type: "page/open", id: "", pending });
    },
  },
  {
    name: "connect to the conversation that is shown now",
    when: ({ event }) => event.type === "page/open",
    run: ({ connection }) => connection.open(),
  },
  {
    name: "erase what was not to be kept",
    when: ({ before, event }) => event.type === "page/open" && before.conversation.temporary,
    run: ({ conversations }, { before }) => conversations.leave(before.conversation),
  },
  {
    name: "load what was said of the answers",
    when: ({ before, state }) => state.replayed && !before.replayed && state.conversation.stored && state.target > 0,
    run: ({ conversations }, { state }) => conversations.loadFeedback(state.conversation.id),
  },
  {
    name: "connect again after a missing record",
    when: ({ before, state }) => state.log.gap && !before.log.gap,
    run: ({ connection }) => connection.open(),
  },
  {
    name: "find out why no socket opens",
    when: ({ event, state: { link } }) =>
      event.type === "page/link" && link.phase === "waiting" && link.unopened >= UNOPENED,
    run: ({ socketTrouble, store }) =>
      socketTrouble().then((trouble) => store.dispatch({ type: "page/trouble", trouble })),
  },
  {
    name: "ask for a message with a missing chunk",
    when: ({ before, state, event }) => isStale(state, event) && !isStale(before, event),
    run: ({ connection }, { event }) => connection.send(syncFrame(event.message_id)),
  },
  {
    name: "give the conversation its address",
    when: ({ state: { conversation } }) => Boolean(conversation.stored && conversation.id && !conversation.temporary),
    run: ({ router }, { state }) => router.replace(state.conversation.id),
  },
  {
    name: "show the turn that an edit made",
    when: ({ before, state }) => before.expectsTurn && !state.expectsTurn && before.log.head !== state.log.head,
    run: ({ showEnd }) => showEnd(),
  },
  {
    name: "let go of old turns, where nobody reads them",
    when: ({ before, state }) =>
      state.follows && !isBusy(state) && (isBusy(before) || !before.follows) && pathOf(state.log).length > MOST_TURNS,
    run: ({ store }) => store.dispatch({ type: "page/trim", count: KEPT_TURNS }),
  },
  {
    name: "forget the draft that was sent",
    when: ({ event }) => event.type === "accepted",
    run: ({ composer }, { state }) => composer.accepted(state.conversation.id),
  },
  {
    name: "tell a screen reader",
    when: () => true,
    run: ({ announcer }, { before, state, event }) => announcer.follow(before, state, event),
  },
  {
    name: "tell who looks elsewhere",
    when: changed(({ status, ask }) => (ask ? ask.request_id : status.state)),
    run: ({ notifier }, { before, state }) => notifier?.follow(before, state),
  },
];

/** @param {Page} page @param {Change} change */
export function follow(page, change) {
  for (const { when, run } of EFFECTS) if (when(change, page)) run(page, change);
}
