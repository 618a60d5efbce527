/** Turns as elements: the user's message, what the agents made of it, an open question; and messages not sent yet. */
import { AskCard } from "chat/ask.js";
import { KeyedList, button, el, icon, newDomId, setAttribute, setText } from "chat/dom.js";
import { ReplyView } from "chat/replies.js";
import { UserView } from "chat/user.js";

/** @typedef {object} Context  What every component gets: `state`, `actions`, `now`, `agents` by name, `canAct` */

export class TurnView {
  constructor() {
    this.root = el("section", { class: "turn" });
    this.list = new KeyedList(this.root, ({ kind }) => new SEGMENTS[kind]());
    this.entries = [];
  }

  /** @param {{turn: object, isLast: boolean, isWorking: boolean, isLive: boolean, request: object|null}} item */
  update(item, context) {
    const { turn, isLast, isWorking, isLive, request } = item;
    if (!isWorking && !request && this.#isUnchanged(item, context)) return;
    setAttribute(this.root, "data-last", isLast);
    setAttribute(this.root, "data-live", isLive && isLast);
    this.list.update(
      itemsOf(turn, { isWorking, request }, context).map((entry) => ({ ...entry, turn, isLast })),
      context,
    );
  }

  /** Most turns are finished: they need no look while another one streams. */
  #isUnchanged({ turn, isLast, isLive }, { canAct, state }) {
    const { index, count, isReply } = turn.branch ?? {};
    const key = [
      isLast,
      isLive,
      canAct,
      state.replayed,
      state.idleSeq,
      state.status.queued.includes(turn.id),
      index,
      count,
      isReply,
    ].join();
    const isSame =
      key === this.key &&
      turn.entries.length === this.entries.length &&
      turn.entries.every((entry, at) => entry === this.entries[at]);
    this.key = key;
    this.entries = turn.entries;
    return isSame;
  }

  editUser() {
    const user = Array.from(this.list.components.values()).find((component) => component instanceof UserView);
    user?.edit();
  }
}

/** What a turn shows, from top to bottom. */
function itemsOf(turn, { isWorking, request }, context) {
  const user = turn.user ? [{ kind: "user", key: turn.user.client_id || turn.id, message: turn.user }] : [];
  const segments = turn.segments.map((segment) => ({ ...segment, isBusy: false }));
  const isUnanswered = isAbandoned(turn, isWorking, context);
  if ((isWorking && segments.at(-1)?.kind !== "reply") || isUnanswered)
    segments.push({ ...emptyReply(turn, context), isUnanswered });
  const last = segments.at(-1);
  if (last?.kind === "reply")
    Object.assign(last, { isBusy: isWorking, isWaiting: Boolean(request), isLastOfTurn: true });
  const ask = request ? [{ kind: "ask", key: request.request_id, request }] : [];
  return [...user, ...segments, ...ask];
}

/** Nobody works on it, nobody will, and nothing came: the server died before the first word, or was stopped. */
function isAbandoned({ user, segments }, isWorking, { state }) {
  return user !== null && segments.length === 0 && !isWorking && state.replayed && user.seq <= state.idleSeq;
}

/** What stands there until the agent says something. */
function emptyReply(turn, { state }) {
  const agent = state.status.agent || state.conversation.agent?.name || "";
  return {
    kind: "reply",
    key: `${turn.id}/${turn.segments.length}`,
    agent,
    time: "",
    parts: [],
    tokens: 0,
    cost: 0,
    durationMs: 0,
    text: "",
  };
}

/** A message that the server has not accepted yet. It has the key of the real one, which takes over its place. */
export class PendingView {
  constructor() {
    this.titleId = newDomId("pending");
    this.bubble = el("div", { class: "bubble pending", dir: "auto" });
    this.note = el("p", { class: "note" });
    this.root = el(
      "section",
      { class: "turn" },
      el(
        "article",
        { class: "user", tabindex: "-1", "aria-labelledby": this.titleId },
        el("h2", { class: "hidden", id: this.titleId }, "Your message, not sent yet"),
        this.bubble,
        this.note,
      ),
    );
  }

  update({ pending, isLast, isLive }, { state, actions }) {
    setAttribute(this.root, "data-last", isLast);
    setAttribute(this.root, "data-live", isLive && isLast && pending.state !== "failed");
    setText(this.bubble, pending.frame.content ?? "");
    const key = `${pending.state}/${state.link.phase}/${pending.error?.details ?? ""}`;
    if (key === this.key) return;
    this.key = key;
    this.bubble.classList.toggle("failed", pending.state === "failed");
    this.note.replaceChildren(...pendingNote(pending, state, actions));
  }
}

function pendingNote(pending, { link }, actions) {
  const cancel = button(
    { class: "text-button", onclick: () => actions.cancel(pending) },
    "",
    pending.state === "failed" ? "Put back into the field" : "Cancel",
  );
  if (pending.state === "failed") {
    const retry = button({ class: "text-button", onclick: () => actions.retry(pending) }, "", "Retry");
    return [icon("alert"), el("span", {}, pending.error.details), retry, cancel];
  }
  if (link.phase !== "open") return [icon("clock"), el("span", {}, "Queued until the connection is back"), cancel];
  return [el("span", { class: "late" }, "Sending…")];
}

const SEGMENTS = { user: UserView, reply: ReplyView, answer: UserView, ask: AskCard };
