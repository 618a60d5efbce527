/** Above the field: that its text answers the agent's question. */
import { isTouch } from "chat/composer.js";
import { el, icon } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

class Answering {
  constructor() {
    const text = t("Your text answers the question above.");
    this.root = el(
      "div",
      { class: "answering", hidden: true },
      icon("question"),
      el("span", {}, isTouch.matches ? text : `${text} ${t("Esc leaves.")}`),
    );
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ question }) {
    this.root.hidden = question === null;
  }
}

fillSlot("above", Answering);
