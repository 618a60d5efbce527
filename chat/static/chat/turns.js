/** A turn as elements: the user's message, and the agents' replies to it. */
import { AskCard } from "chat/ask.js";
import { KeyedList, button, el, icon, iconButton, newDomId, setAttribute, setText } from "chat/dom.js";
import { clockTime, duration, figure, money } from "chat/format.js";
import { PartList, avatar } from "chat/parts.js";

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
    this.list.update(itemsOf(turn, { isWorking, request }, context).map((entry) => ({ ...entry, turn, isLast })), context);
  }

  /** Most turns are finished: they need no look while another one streams. */
  #isUnchanged({ turn, isLast, isLive }, { canAct, state }) {
    const { index, count, isReply } = turn.branch ?? {};
    const key = [isLast, isLive, canAct, state.replayed, state.idleSeq, state.status.queued.includes(turn.id), index, count, isReply].join();
    const isSame = key === this.key && turn.entries.length === this.entries.length && turn.entries.every((entry, at) => entry === this.entries[at]);
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
  if ((isWorking && segments.at(-1)?.kind !== "reply") || isUnanswered) segments.push({ ...emptyReply(turn, context), isUnanswered });
  const last = segments.at(-1);
  if (last?.kind === "reply") Object.assign(last, { isBusy: isWorking, isWaiting: Boolean(request), isLastOfTurn: true });
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
  return { kind: "reply", key: `${turn.id}/${turn.segments.length}`, agent, time: "", parts: [], tokens: 0, cost: 0, durationMs: 0, text: "" };
}

class UserView {
  constructor() {
    this.titleId = newDomId("user");
    this.title = el("h2", { class: "hidden", id: this.titleId });
    this.bubble = el("div", { class: "bubble", dir: "auto" });
    this.note = el("p", { class: "note", hidden: true });
    this.copy = iconButton("Copy message", "copy", { onclick: ({ currentTarget }) => this.context.actions.copy(this.message.content, currentTarget) });
    this.pen = iconButton("Edit message", "edit", { onclick: () => this.edit() });
    this.branch = branchSwitch((turn) => this.context.actions.branch(turn));
    this.time = el("time", { class: "time" });
    this.row = el("div", { class: "actions" }, this.time, this.copy, this.pen, this.branch.root);
    this.root = el("article", { class: "user", tabindex: "-1", "aria-labelledby": this.titleId }, this.title, this.bubble, this.note, this.row);
  }

  update(item, context) {
    this.context = context;
    this.message = item.message;
    const time = clockTime(item.message.timestamp);
    setText(this.title, time ? `You said, ${time}` : "You said");
    setText(this.bubble, item.message.content);
    setText(this.time, time);
    setAttribute(this.time, "datetime", item.message.timestamp);
    const isQueued = item.kind === "user" && context.state.status.queued.includes(item.turn.id);
    this.note.hidden = !isQueued;
    if (isQueued && !this.note.childElementCount) this.note.append(icon("clock"), el("span", {}, "Waiting for its turn"));
    this.pen.hidden = item.kind === "answer";
    this.pen.disabled = !context.canAct;
    this.branch.update(item.turn.branch?.isReply ? null : item.turn.branch, context.canAct);
  }

  edit() {
    if (this.pen.hidden || this.pen.disabled || this.editor) return;
    const field = el("textarea", { class: "edit-field", dir: "auto", rows: "2", "aria-label": "Edit message" });
    field.value = this.draft ?? this.message.content;
    const close = () => {
      this.editor.remove();
      this.editor = null;
      this.bubble.hidden = this.row.hidden = false;
      this.pen.focus({ preventScroll: true });
    };
    const cancel = () => {
      this.draft = undefined;
      close();
    };
    const save = () => {
      const text = field.value;
      if (!text.trim()) return field.focus();
      this.draft = text; // kept for another try, should the server refuse
      close();
      if (text !== this.message.content) this.context.actions.edit(this.message.turn, text);
    };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        cancel();
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        save();
      }
    });
    const row = el("div", { class: "row end" }, button({ class: "quiet", onclick: cancel }, "", "Cancel"), button({ class: "primary", onclick: save }, "", "Send"));
    this.editor = el("div", { class: "editor" }, field, row);
    this.bubble.hidden = this.row.hidden = true;
    this.bubble.after(this.editor);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

class ReplyView {
  constructor() {
    this.titleId = newDomId("reply");
    this.face = el("span", { class: "reply-face" });
    this.name = el("bdi");
    this.title = el("h2", { class: "reply-name", id: this.titleId }, this.name);
    this.time = el("time", { class: "time" });
    this.body = el("div", { class: "reply-body" });
    this.dots = el("p", { class: "dots", hidden: true }, el("i"), el("i"), el("i"), el("span", {}, "Writing…"));
    this.nothing = el("p", { class: "nothing", hidden: true }, "No answer came.");
    this.copy = iconButton("Copy answer", "copy", { onclick: ({ currentTarget }) => this.context.actions.copy(this.reply.text, currentTarget) });
    this.again = iconButton("Answer again", "again", { onclick: () => this.context.actions.regenerate(this.reply.turn.id) });
    this.branch = branchSwitch((turn) => this.context.actions.branch(turn));
    this.figures = el("bdi", { class: "figures" });
    this.row = el("div", { class: "actions" }, this.copy, this.again, this.branch.root, this.figures);
    this.root = el("article", { class: "reply", tabindex: "-1", "aria-labelledby": this.titleId },
      this.face, el("header", { class: "reply-head" }, this.title, this.time), this.body, this.dots, this.nothing, this.row);
    this.parts = new PartList(this.body);
  }

  update(reply, context) {
    this.context = context;
    this.reply = reply;
    this.#head(reply, context);
    this.parts.update(reply.parts, context);
    setAttribute(this.root, "aria-busy", reply.isBusy ? "true" : null);
    this.dots.hidden = !reply.isBusy || reply.isWaiting || isShowingProgress(reply.parts);
    this.nothing.hidden = !reply.isUnanswered;
    this.row.hidden = reply.isBusy;
    setAttribute(this.row, "data-always", Boolean(reply.isLast));
    this.copy.hidden = !reply.text;
    this.again.hidden = !reply.isLastOfTurn || !reply.turn.user;
    this.again.disabled = !context.canAct;
    this.branch.update(reply.isLastOfTurn && reply.turn.branch?.isReply ? reply.turn.branch : null, context.canAct);
    const figures = [reply.tokens && `${figure(reply.tokens)} tokens`, reply.cost && money(reply.cost), reply.durationMs && duration(reply.durationMs)];
    setText(this.figures, figures.filter(Boolean).join(" · "));
  }

  #head({ agent, time }, { agents }) {
    const name = agent || "Assistant";
    if (this.face.dataset.name !== name) {
      this.face.dataset.name = name;
      this.face.replaceChildren(avatar(name, { image: agents.get(name)?.avatar }));
      setText(this.name, name);
    }
    setText(this.time, time ? clockTime(time) : "");
    setAttribute(this.time, "datetime", time || null);
  }
}

/** Whether the reader can see by the last part that work goes on. */
function isShowingProgress(parts) {
  const last = parts.at(-1);
  if (!last) return false;
  if (last.kind === "task") return last.task.status === "running";
  if (last.kind === "tools") return last.tools.some(({ status }) => status === "running");
  return last.message.writing;
}

/** "‹ 2 / 3 ›" */
function branchSwitch(go) {
  let branch = null;
  const previous = iconButton("Previous version", "left", { onclick: () => go(branch.previous) });
  const next = iconButton("Next version", "right", { onclick: () => go(branch.next) });
  const text = el("bdi", { class: "figures", dir: "ltr" });
  const root = el("span", { class: "branch", role: "group", "aria-label": "Versions", hidden: true }, previous, text, next);
  return {
    root,
    update(value, canAct) {
      branch = value;
      root.hidden = !branch;
      if (!branch) return;
      setText(text, `${branch.index} / ${branch.count}`);
      previous.disabled = !canAct || !branch.previous;
      next.disabled = !canAct || !branch.next;
    },
  };
}

/** A message that the server has not accepted yet. It has the key of the real one, which takes over its place. */
export class PendingView {
  constructor() {
    this.titleId = newDomId("pending");
    this.bubble = el("div", { class: "bubble pending", dir: "auto" });
    this.note = el("p", { class: "note" });
    this.root = el("section", { class: "turn" },
      el("article", { class: "user", tabindex: "-1", "aria-labelledby": this.titleId }, el("h2", { class: "hidden", id: this.titleId }, "Your message, not sent yet"), this.bubble, this.note));
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
  const cancel = button({ class: "text-button", onclick: () => actions.cancel(pending) }, "", pending.state === "failed" ? "Put back into the field" : "Cancel");
  if (pending.state === "failed") {
    const retry = button({ class: "text-button", onclick: () => actions.retry(pending) }, "", "Retry");
    return [icon("alert"), el("span", {}, pending.error.details), retry, cancel];
  }
  if (link.phase !== "open") return [icon("clock"), el("span", {}, "Queued until the connection is back"), cancel];
  return [el("span", { class: "late" }, "Sending…")];
}

class AnswerView extends UserView {}

const SEGMENTS = { user: UserView, reply: ReplyView, answer: AnswerView, ask: AskCard };
