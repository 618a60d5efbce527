/** Why an answer is good or bad: the form that opens at it when a thumb is pressed. */
import { button, el } from "chat/dom.js";
import { dialogs } from "chat/registries.js";
import { t } from "chat/words.js";

const QUESTIONS = { up: t("What was good?"), down: t("What was wrong?") };
const MORE = t("Anything else? (optional)");

class FeedbackForm {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor({ actions }) {
    this.actions = actions;
  }

  /**
   * @param {{messageId: string, value: "up"|"down", reasons: string[], place: Element, leave: () => void}} options
   *   `leave`: the form goes
   */
  open({ messageId, value, reasons, place, leave }) {
    const comment = el("textarea", {
      rows: "2",
      maxlength: "2000",
      dir: "auto",
      "aria-label": MORE,
      placeholder: MORE,
    });
    const choices = reasons.map((reason) =>
      el(
        "label",
        { class: "feedback-reason" },
        el("input", { type: "checkbox", value: reason }),
        el("bdi", {}, t(reason)), // an agent's own stand as they are
      ),
    );
    const done = (event) => {
      event.preventDefault();
      const chosen = Array.from(form.querySelectorAll(":checked"), (box) => box.value);
      if (chosen.length || comment.value.trim())
        this.actions.giveFeedback(messageId, { value, reasons: chosen, comment: comment.value });
      leave();
    };
    const undo = () => {
      this.actions.withdrawFeedback(messageId);
      leave();
    };
    const form = el(
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
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      leave();
    });
    place.replaceChildren(form);
    form.scrollIntoView({ block: "nearest" });
  }
}

dialogs.register("feedback", FeedbackForm);
