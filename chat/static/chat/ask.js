/** The card of an open question of the agent. What it asks with is a form of `chat/later/`, by its kind. */
import { button, el, icon, newDomId, setAttribute, setText } from "chat/dom.js";
import { duration, promptOf } from "chat/format.js";
import { withEntry } from "chat/later.js";
import { asks } from "chat/registries.js";
import { isInCard, kindOf } from "chat/state.js";
import { t } from "chat/words.js";

export class AskCard {
  constructor() {
    this.titleId = newDomId("ask");
    this.root = el("section", { class: "ask", tabindex: "-1", "aria-labelledby": this.titleId });
  }

  /** @param {{request: object}} item  the `input_request`; always the same one */
  update({ request }, context) {
    this.context = context;
    if (this.clock) this.#look(request);
    else if (!this.isAsked) withEntry(asks, kindOf(request), (form) => this.#build(form, request));
    this.isAsked = true;
    setAttribute(this.root, "data-kind", kindOf(request));
  }

  #look(request) {
    const { now, state } = this.context;
    setText(this.clock, request.timeout ? remaining(request, now) : "");
    const given = state.pending.find(({ frame }) => isInCard(state, frame));
    const isOnItsWay = given !== undefined && given.state !== "failed";
    for (const control of this.form.querySelectorAll("button, input, select, textarea")) control.disabled = isOnItsWay;
    this.given = given;
    this.#showWay(isOnItsWay, state.link.phase !== "open");
    const failure = given?.state === "failed" ? t("Not sent: {reason}", { reason: t(given.error.details) }) : "";
    setText(this.failure, failure);
    this.failure.hidden = !failure;
  }

  #showWay(isOnItsWay, isQueued) {
    this.queued.hidden = !isOnItsWay;
    this.queued.classList.toggle("late", !isQueued); // mostly it is there before
    setText(this.wait, isQueued ? t("Queued until the connection is back") : t("Sending…"));
    this.withdraw.hidden = !isQueued;
  }

  #build({ icon: symbol, title, form }, request) {
    const { actions } = this.context;
    this.clock = el("bdi", { class: "ask-clock" });
    this.failure = el("p", { class: "ask-problem", role: "alert", dir: "auto", hidden: true });
    this.form = form(request, (answer) => actions.answer(request.request_id, answer), actions);
    this.wait = el("span");
    this.withdraw = button({ class: "text-button", onclick: () => this.#withdraw() }, "", t("Cancel"));
    const about = { class: "ask-queued", role: "status", hidden: true };
    this.queued = el("p", about, icon("clock"), this.wait, this.withdraw);
    this.root.append(
      el("h2", { class: "ask-title", id: this.titleId }, icon(symbol), el("span", {}, ...title(request)), this.clock),
      ...[request.prompt && el("p", { class: "ask-prompt", dir: "auto" }, promptOf(request))].filter(Boolean),
      this.form,
      this.queued,
      this.failure,
    );
    this.#look(request);
  }

  #withdraw() {
    this.context.actions.withdraw(this.given);
    this.root.focus();
  }
}

function remaining({ askedAt, timeout }, now) {
  const seconds = Math.max(0, Math.ceil(timeout - (now - askedAt) / 1000));
  return t("{time} left", { time: duration(seconds * 1000) });
}
