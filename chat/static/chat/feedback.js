/** Two thumbs at an answer, and, once one is pressed, why. */
import { button, el, iconButton, setAttribute } from "chat/dom.js";
import { t } from "chat/words.js";

const QUESTIONS = { up: t("What was good?"), down: t("What was wrong?") };

export class Thumbs {
  /** @param {() => object} context  of the reply that they belong to (turns.js) */
  constructor(context) {
    this.context = context;
    this.up = iconButton(t("Good answer"), "thumb-up", { onclick: () => this.#press("up") });
    this.down = iconButton(t("Bad answer"), "thumb-down", { onclick: () => this.#press("down") });
    this.root = el("span", { class: "thumbs", hidden: true }, this.up, this.down);
    this.place = el("div", { class: "feedback-place" });
  }

  /** @param {string|null} messageId  of the answer; null: there is none to judge */
  update(messageId) {
    const { state, byKey } = this.context();
    this.offered = byKey.get(state.conversation.agent?.key)?.feedback ?? null;
    this.messageId = messageId;
    this.root.hidden = !messageId || !this.offered;
    const given = state.feedback[messageId] ?? null;
    setAttribute(this.up, "aria-pressed", String(given?.value === "up"));
    setAttribute(this.down, "aria-pressed", String(given?.value === "down"));
    if (!given && this.form) this.#close();
    this.given = given;
  }

  /** The pressed one again takes it back. */
  #press(value) {
    const { actions } = this.context();
    if (this.given?.value === value) return actions.withdrawFeedback(this.messageId);
    actions.giveFeedback(this.messageId, { value, reasons: [], comment: "" });
    this.#ask(value);
  }

  #close() {
    this.form?.remove();
    this.form = null;
  }

  #ask(value) {
    this.#close();
    const thumb = this[value];
    const reasons = this.offered[value] ?? [];
    const comment = el("textarea", { rows: "2", maxlength: "2000", dir: "auto", "aria-label": t("Anything else? (optional)"), placeholder: t("Anything else? (optional)") }); // prettier-ignore
    const choices = reasons.map((reason) =>
      el(
        "label",
        { class: "feedback-reason" },
        el("input", { type: "checkbox", value: reason }),
        el("bdi", {}, reason),
      ),
    );
    const done = (event) => {
      event.preventDefault();
      const chosen = Array.from(this.form.querySelectorAll(":checked"), (box) => box.value);
      const { actions } = this.context();
      if (chosen.length || comment.value.trim())
        actions.giveFeedback(this.messageId, { value, reasons: chosen, comment: comment.value });
      this.#close();
      thumb.focus();
    };
    const undo = () => {
      this.context().actions.withdrawFeedback(this.messageId);
      thumb.focus();
    };
    this.form = el(
      "form",
      { class: "feedback", onsubmit: done },
      el("fieldset", {}, el("legend", {}, QUESTIONS[value]), ...choices),
      comment,
      el(
        "div",
        { class: "row end" },
        button({ class: "quiet", onclick: undo }, "", t("Undo")),
        el("button", { class: "primary", type: "submit" }, t("Done")),
      ),
    );
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      this.#close();
      thumb.focus();
    });
    this.place.append(this.form);
    this.form.scrollIntoView({ block: "nearest" });
  }
}
