/** Beside the buttons: what can be set for the agent in this conversation, as a form in a dialog. */
import { button, el, iconButton, newDomId, setText } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { schemaForm } from "chat/schema.js";
import { t } from "chat/words.js";

class Settings {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor(composer) {
    this.actions = composer.actions;
    this.root = el("span", { hidden: true });
    this.open = iconButton(t("Settings of the agent"), "gear", { onclick: () => this.#show() });
    this.root.append(this.open);
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ hasSettings, status, isClosed }) {
    this.root.hidden = !hasSettings || isClosed;
    this.open.disabled = status !== "idle";
  }

  async #show() {
    const found = await this.actions.settings();
    if (!found) return;
    const titleId = newDomId("settings");
    const form = schemaForm(found.schema, found.values);
    const problem = el("p", { class: "ask-problem", role: "alert", hidden: true });
    const dialog = el("dialog", { class: "dialog", "aria-labelledby": titleId, onclose: () => dialog.remove() });
    const save = async (event) => {
      event.preventDefault();
      const values = form.read();
      if (!values) return;
      const refusal = await this.actions.changeSettings(values);
      setText(problem, refusal);
      problem.hidden = !refusal;
      if (!refusal) dialog.close();
    };
    const cancel = button({ class: "quiet", onclick: () => dialog.close() }, "", t("Cancel"));
    const row = el("div", { class: "dialog-row" }, cancel, button({ class: "primary", type: "submit" }, "", t("Save")));
    const title = el("h2", { id: titleId, dir: "auto" }, found.schema.title || t("Settings of the agent"));
    dialog.append(el("form", { novalidate: true, onsubmit: save }, title, form.root, problem, row));
    document.body.append(dialog);
    dialog.showModal();
  }
}

fillSlot("row", Settings);
