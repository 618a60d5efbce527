/** Turns as elements: the user's message, what the agents made of it, an open question; and messages not sent yet. */
import { AttachmentList } from "chat/attachments.js";
import { AskCard } from "chat/ask.js";
import { KeyedList, button, el, icon, newDomId, setAttribute, setText } from "chat/dom.js";
import { ReplyView } from "chat/replies.js";
import { UserView } from "chat/user.js";
import { t } from "chat/words.js";

/**
 * @typedef {object} Context  What every component gets.
 * @property {import("chat/state.js").State} state
 * @property {object} actions  what buttons do
 * @property {number} now  milliseconds
 * @property {Map<string, object>} agents  by name
 * @property {Map<string, object>} byKey  the same by key
 * @property {boolean} canAct  a turn may be edited, asked again, left for another branch
 *
 * @typedef {object} TurnItem
 * @property {import("chat/transcript.js").Turn} turn
 * @property {boolean} isLast  of all that stands there
 * @property {boolean} isWorking  an agent works on it
 * @property {boolean} isLive  it was sent from this page: it starts at the top of the window
 * @property {object|null} request  the open question in it
 */

export class TurnView {
  constructor() {
    this.root = el("section", { class: "turn" });
    this.list = new KeyedList(this.root, ({ kind }) => new SEGMENTS[kind]());
    this.isSkipped = false; // it is far from the window, and the browser does not lay it out
    this.root.addEventListener("contentvisibilityautostatechange", ({ skipped }) => {
      this.isSkipped = skipped;
      if (!skipped && this.missed) this.#enable(this.missed);
    });
  }

  /** @param {TurnItem} item @param {Context} context */
  update(item, context) {
    if (this.#isSame(item, context)) return this.#enableInSight(context);
    this.missed = null;
    const { turn, isLast, isWorking, isLive, request } = item;
    setAttribute(this.root, "data-last", isLast);
    setAttribute(this.root, "data-live", isLive && isLast);
    this.list.update(
      itemsOf(turn, { isWorking, request }, context).map((entry) => ({ ...entry, turn, isLast })),
      context,
    );
  }

  /** Most turns are finished: they need no look when another one begins or ends. */
  #isSame({ turn, isLast, isWorking, isLive, request }, context) {
    const isQueued = context.state.status.queued.includes(turn.id);
    const shape = [turn.segments, turn.user, turn.branch, isLast, isLive, isQueued];
    shape.push(isWorking, isAbandoned(turn, isWorking, context));
    const isSame = !isWorking && !request && shape.every((value, at) => value === this.shape?.[at]);
    this.shape = request ? null : shape;
    return isSame;
  }

  /** Buttons of hundreds of turns would be restyled whenever an answer begins or ends. */
  #enableInSight(context) {
    if (this.isSkipped) this.missed = context;
    else this.#enable(context);
  }

  /** All that changes in a finished turn. */
  #enable(context) {
    this.missed = null;
    for (const segment of this.list.components.values()) segment.enable(context);
  }

  editUser() {
    const user = Array.from(this.list.components.values()).find((component) => component instanceof UserView);
    user?.edit();
  }
}

/** What a turn shows, from top to bottom. */
function itemsOf(turn, { isWorking, request }, context) {
  const user =
    turn.user && !turn.user.opening ? [{ kind: "user", key: turn.user.client_id || turn.id, message: turn.user }] : [];
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
    isEstimated: false,
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
    this.files = new AttachmentList();
    this.note = el("p", { class: "note" });
    this.root = el(
      "section",
      { class: "turn" },
      el(
        "article",
        { class: "user", tabindex: "-1", "aria-labelledby": this.titleId },
        el("h2", { class: "hidden", id: this.titleId }, t("Your message, not sent yet")),
        this.bubble,
        this.files.root,
        this.note,
      ),
    );
  }

  update({ pending, isLast, isLive }, { state, actions }) {
    setAttribute(this.root, "data-last", isLast);
    setAttribute(this.root, "data-live", isLive && isLast && pending.state !== "failed");
    setText(this.bubble, pending.frame.content ?? "");
    this.bubble.hidden = !pending.frame.content;
    this.files.update(pending.files);
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
    pending.state === "failed" ? t("Put back into the field") : t("Cancel"),
  );
  if (pending.state === "failed") {
    const retry = button({ class: "text-button", onclick: () => actions.retry(pending) }, "", t("Retry"));
    return [icon("alert"), el("span", {}, t(pending.error.details)), retry, cancel];
  }
  if (link.phase !== "open") return [icon("clock"), el("span", {}, t("Queued until the connection is back")), cancel];
  return [el("span", { class: "late" }, t("Sending…"))];
}

const SEGMENTS = { user: UserView, reply: ReplyView, answer: UserView, ask: AskCard };
