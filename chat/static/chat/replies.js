/** The agents' reply: who, when, the parts, and what can be done with it. */
import { branchSwitch } from "chat/branches.js";
import { el, iconButton, newDomId, setAttribute, setText } from "chat/dom.js";
import { avatar } from "chat/folds.js";
import { clockTime, duration, money, tokenCount } from "chat/format.js";
import { Thumbs } from "chat/feedback.js";
import { PartList } from "chat/parts.js";
import { StepBar } from "chat/stepbar.js";
import { readAloudButton } from "chat/reading.js";
import { Waiting } from "chat/waiting.js";
import { t } from "chat/words.js";

export class ReplyView {
  constructor() {
    this.titleId = newDomId("reply");
    this.face = el("span", { class: "reply-face" });
    this.name = el("bdi");
    this.title = el("h2", { class: "reply-name", id: this.titleId }, this.name);
    this.time = el("time", { class: "time" });
    this.body = el("div", { class: "reply-body" });
    this.waiting = new Waiting();
    this.step = new StepBar();
    this.nothing = el("p", { class: "nothing", hidden: true }, t("No answer came."));
    this.copy = iconButton(t("Copy answer"), "copy", {
      onclick: ({ currentTarget }) => this.context.actions.copy(this.reply.text, currentTarget),
    });
    this.again = iconButton(t("Answer again"), "again", {
      onclick: () => this.context.actions.regenerate(this.reply.turn.id),
    });
    this.aloud = readAloudButton(() => this.body);
    this.steps = iconButton(t("What happened"), "steps", {
      class: "icon-button steps-button",
      "aria-haspopup": "dialog",
      onclick: () => this.context.actions.showTrace(this.reply.turn.id),
    });
    this.branch = branchSwitch((turn) => this.context.actions.branch(turn));
    this.figures = el("bdi", { class: "figures" });
    this.thumbs = new Thumbs(() => this.context);
    const buttons = [this.copy, this.aloud, this.again, this.thumbs.root];
    this.row = el("div", { class: "actions" }, ...buttons, this.branch.root, this.figures);
    this.root = el(
      "article",
      { class: "reply", tabindex: "-1", "aria-labelledby": this.titleId },
      this.face,
      el("header", { class: "reply-head" }, this.title, this.time, this.steps),
      this.body,
      this.waiting.root,
      this.step.root,
      this.nothing,
      this.row,
      this.thumbs.place,
    );
    this.parts = new PartList(this.body);
  }

  update(reply, context) {
    this.context = context;
    this.reply = reply;
    this.#head(reply, context);
    const { isLast } = reply;
    this.parts.update(
      reply.parts.map((part) => ({ ...part, isLast })),
      context,
    );
    setAttribute(this.root, "aria-busy", reply.isBusy ? "true" : null);
    const progress = reply.isBusy && !reply.isWaiting ? context.state.progress : null;
    this.step.update(progress);
    this.waiting.show(reply.isBusy && !reply.isWaiting && !progress && !isShowingProgress(reply.parts));
    this.nothing.hidden = !reply.isUnanswered;
    this.row.hidden = reply.isBusy;
    setAttribute(this.row, "data-always", Boolean(reply.isLast));
    this.copy.hidden = !reply.text;
    const hasRetry = Boolean(reply.parts.at(-1)?.message?.error); // on the error itself
    this.again.hidden = !reply.isLastOfTurn || !reply.turn.user || hasRetry;
    this.shownBranch = reply.isLastOfTurn && reply.turn.branch?.isReply ? reply.turn.branch : null;
    this.enable(context);
    const figures = [
      reply.tokens && tokenCount(reply.tokens, reply.isEstimated),
      reply.cost && money(reply.cost),
      reply.durationMs && duration(reply.durationMs),
    ];
    const isTold = reply.isLastOfTurn || reply.text; // a time alone, between two of the user's messages, says nothing
    setText(this.figures, isTold ? figures.filter(Boolean).join(" · ") : "");
  }

  enable(context) {
    this.context = context;
    const { canAct } = context;
    this.thumbs.update(judgedOf(this.reply));
    this.again.disabled = !canAct;
    this.branch.update(this.shownBranch, canAct);
  }

  #head({ agent, time }, { agents }) {
    const name = agent || t("Assistant");
    if (this.face.dataset.name !== name) {
      this.face.dataset.name = name;
      const { avatar: image, colour } = agents.get(name) ?? {};
      this.face.replaceChildren(avatar(name, { image, colour }));
      setText(this.name, name);
    }
    setText(this.time, time ? clockTime(time) : "");
    setAttribute(this.time, "datetime", time || null);
  }
}

/** The message that the thumbs are of: the agent's last own text. @returns {string|null} */
function judgedOf({ parts, isBusy, turn }) {
  if (isBusy || !turn.user) return null;
  return parts.findLast(({ kind, message }) => kind === "text" && message.content)?.message.id ?? null;
}

/** Whether the reader can see by the last part that work goes on. */
function isShowingProgress(parts) {
  const last = parts.at(-1);
  if (!last) return false;
  if (last.kind === "task") return last.task.status === "running";
  if (last.kind === "tools") return last.tools.some(({ status }) => status === "running");
  return last.message.writing;
}
