/** Above the field: that this conversation is not kept. */
import { el, icon } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

class Temporary {
  constructor() {
    const text = t("Temporary chat: in no list, not searched, and erased when you leave it or this page.");
    this.root = el("div", { class: "answering temporary", hidden: true }, icon("clock"), el("span", {}, text));
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ isTemporary }) {
    this.root.hidden = !isTemporary;
  }
}

fillSlot("above", Temporary);
