/** The dialog with what can be set for the agent in this conversation. */
import { button, el, newDomId, setText } from "chat/dom.js";
import { dialogs } from "chat/registries.js";
import { schemaForm } from "chat/schema.js";
import { t } from "chat/words.js";

class SettingsDialog {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor({ actions }) {
    this.actions = actions;
  }

  async open() {
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

dialogs.register("settings", SettingsDialog);
