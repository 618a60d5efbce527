/** Above the field: what "/" offers, the commands of the agent's entry. The one that is chosen puts its text into the field. */
import { el, newDomId, setAttribute } from "chat/dom.js";
import { visible } from "chat/format.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

const BEGINNING = /^\/([\w-]*)$/;
const ARGUMENT = "{argument}";

class Commands {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor(composer) {
    this.composer = composer;
    this.id = newDomId("commands");
    this.root = el("ul", {
      class: "commands",
      id: this.id,
      role: "listbox",
      tabindex: "0", // it scrolls where there is little room
      "aria-label": t("Commands"),
      hidden: true,
    });
    this.found = [];
    this.at = 0;
    this.left = null; // the text for which the menu was closed
    composer.field.addEventListener("keydown", (event) => this.#key(event), { capture: true });
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ commands }) {
    const text = this.composer.field.value;
    const begun = text === this.left ? null : BEGINNING.exec(text);
    const found = begun ? commands.filter(({ name }) => name.startsWith(begun[1])) : [];
    if (this.found.length === found.length && found.every((command, at) => command === this.found[at])) return;
    this.found = found;
    this.at = 0;
    this.root.hidden = !found.length;
    this.root.replaceChildren(...found.map((command, at) => this.#option(command, at)));
    setAttribute(this.composer.field, "aria-controls", found.length ? this.id : null);
    this.#mark();
  }

  #option(command, at) {
    const choose = (event) => {
      event.preventDefault(); // the field keeps the focus
      this.#choose(command);
    };
    const { name, description, text } = command;
    return el(
      "li",
      { id: `${this.id}-${at}`, role: "option", onpointerdown: choose },
      el("code", { dir: "ltr" }, `/${visible(name)}`),
      el("span", { dir: "auto" }, visible(description ?? text)),
    );
  }

  #mark() {
    Array.from(this.root.children, (option, at) => setAttribute(option, "aria-selected", String(at === this.at)));
    const active = this.found.length ? `${this.id}-${this.at}` : null;
    setAttribute(this.composer.field, "aria-activedescendant", active);
  }

  #key(event) {
    if (!this.found.length || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#go(step);
    else if (event.key === "Enter" || event.key === "Tab") this.#choose(this.found[this.at]);
    else if (event.key === "Escape") this.#leave();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#mark();
  }

  #go(step) {
    this.at = (this.at + step + this.found.length) % this.found.length;
    this.root.children[this.at].scrollIntoView({ block: "nearest" });
  }

  #leave() {
    this.left = this.composer.field.value;
    this.update(this.composer.look);
  }

  /** The text of the command, with the place of its argument selected. */
  #choose({ text }) {
    const start = text.indexOf(ARGUMENT);
    this.composer.setText(text.replace(ARGUMENT, ""));
    this.composer.focus();
    if (start >= 0) this.composer.field.setSelectionRange(start, start);
  }
}

fillSlot("above", Commands);
