/** Beside the buttons: the one for what can be set for the agent in this conversation. */
import { el, iconButton } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

class Settings {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor({ actions }) {
    this.open = iconButton(t("Settings of the agent"), "gear", { onclick: () => actions.showSettings() });
    this.root = el("span", { hidden: true }, this.open);
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ hasSettings, status, isClosed }) {
    this.root.hidden = !hasSettings || isClosed;
    this.open.disabled = status !== "idle";
  }
}

fillSlot("row", Settings);
