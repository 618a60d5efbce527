/** Beside the buttons: how long the text is, where that comes near to what the server takes. */
import { el, setAttribute, setText } from "chat/dom.js";
import { counted, figure } from "chat/format.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

const NEAR = 0.8;

class Length {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor(composer) {
    this.composer = composer;
    this.root = el("span", { class: "composer-note" });
  }

  update() {
    const { length, maxChars } = this.composer;
    const isOver = length > maxChars;
    const count = length > maxChars * NEAR ? `${figure(length)} / ${figure(maxChars)}` : "";
    setText(
      this.root,
      isOver ? t("Too long by {size}", { size: counted(length - maxChars, "{n} character", "{n} characters") }) : count,
    );
    setAttribute(this.root, "data-over", isOver);
  }
}

fillSlot("row", Length);
