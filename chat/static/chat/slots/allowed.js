/** Above the field: the tools that the user lets run here without being asked, each to be taken back. */
import { el, icon, iconButton } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

class Allowed {
  constructor(composer) {
    this.actions = composer.actions;
    this.root = el("div", { class: "allowed", hidden: true });
    this.shown = "";
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ allowed }) {
    const key = JSON.stringify(allowed);
    if (key === this.shown) return;
    this.shown = key;
    this.root.hidden = !allowed.length;
    this.root.replaceChildren(
      icon("shield"),
      el("span", {}, t("Runs here without asking:")),
      ...allowed.map((name) => this.#tool(name)),
    );
  }

  #tool(name) {
    const revoke = () => this.actions.revoke(name);
    return el(
      "span",
      { class: "allowed-tool" },
      el("code", { dir: "ltr" }, name),
      iconButton(t("Ask again before {tool}", { tool: name }), "close", { onclick: revoke }),
    );
  }
}

fillSlot("above", Allowed);
