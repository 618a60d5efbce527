/** Two thumbs at an answer, and, once one is pressed, why (`later/feedback_form.js`). */
import { el, iconButton, setAttribute } from "chat/dom.js";
import { t } from "chat/words.js";

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
    if (!given && this.place.firstChild) this.place.replaceChildren();
    this.given = given;
  }

  /** The pressed one again takes it back. */
  #press(value) {
    const { actions } = this.context();
    const { messageId, place } = this;
    if (this.given?.value === value) return actions.withdrawFeedback(messageId);
    actions.giveFeedback(messageId, { value, reasons: [], comment: "" });
    const leave = () => {
      place.replaceChildren();
      this[value].focus();
    };
    actions.askWhy({ messageId, value, reasons: this.offered[value] ?? [], place, leave });
  }
}
