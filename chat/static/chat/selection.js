/** Choosing several conversations of the list, to do one thing with all of them. */
import { entryOf } from "chat/chatitem.js";
import { setText } from "chat/dom.js";
import { counted } from "chat/format.js";

export class SelectedChats {
  /**
   * @param {object} options
   * @param {() => void} options.changed
   * @param {Record<string, (ids: string[]) => void>} options.actions  by the `data-action` of the buttons
   */
  constructor({ changed, actions }) {
    this.changed = changed;
    this.ids = null; // a Set while several are being chosen
    this.root = document.querySelector("#chats-selected");
    this.count = document.querySelector("#selected-count");
    this.root.addEventListener("click", ({ target }) => {
      const action = target.closest("[data-action]")?.dataset.action;
      if (!action) return;
      const ids = Array.from(this.ids ?? []);
      if (action === "cancel" || ids.length) this.end();
      if (action !== "cancel" && ids.length) actions[action](ids);
    });
    this.root.parentElement.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.ids) return;
      event.preventDefault(); // else it would close the drawer, or stop an answer
      this.end();
    });
  }

  /** @param {string} [id]  the first of them */
  begin(id) {
    this.ids = new Set(id ? [id] : []);
    this.#show();
    entryOf(id)?.querySelector(".chat-box").focus();
  }

  end() {
    this.ids = null;
    this.#show();
    document.querySelector("#new-chat").focus();
  }

  set(id, isSelected) {
    if (isSelected) this.ids.add(id);
    else this.ids.delete(id);
    this.#show();
  }

  #show() {
    this.root.hidden = this.ids === null;
    setText(this.count, this.ids ? counted(this.ids.size, "{n} conversation", "{n} conversations") : "");
    for (const control of this.root.querySelectorAll("[data-needs]")) control.disabled = !this.ids?.size;
    this.changed();
  }
}
