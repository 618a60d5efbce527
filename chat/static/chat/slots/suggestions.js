/** Above the field: what the user may say next, as the agent suggests it. */
import { button, el, setAttribute } from "chat/dom.js";
import { visible } from "chat/format.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

class Suggestions {
  constructor(composer) {
    this.actions = composer.actions;
    this.root = el("div", { class: "suggestions", role: "group", "aria-label": t("Suggestions"), hidden: true });
    this.shown = "";
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ suggestions, status, isClosed }) {
    this.root.hidden = !suggestions.length || status !== "idle" || isClosed;
    const key = JSON.stringify(suggestions);
    if (key === this.shown) return;
    this.shown = key;
    const send = (text) => this.actions.send(text);
    this.root.replaceChildren(
      ...suggestions.map((text) =>
        button({ class: "suggestion", dir: "auto", onclick: () => send(text) }, "", visible(text)),
      ),
    );
    setAttribute(this.root, "data-count", suggestions.length);
  }
}

fillSlot("above", Suggestions);
