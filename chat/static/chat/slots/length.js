/** Beside the buttons: how long the text is, where that comes near to what the server takes. */
import { el, setAttribute, setText } from "chat/dom.js";
import { figure } from "chat/format.js";
import { fillSlot } from "chat/registries.js";

const NEAR = 0.8;

class Length {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor(composer) {
    this.composer = composer;
    this.root = el("span", { class: "composer-note" });
  }

  update() {
    const { length, maxChars } = this.composer;
    setText(this.root, length > maxChars * NEAR ? `${figure(length)} / ${figure(maxChars)}` : "");
    setAttribute(this.root, "data-over", length > maxChars);
  }
}

fillSlot("row", Length);
