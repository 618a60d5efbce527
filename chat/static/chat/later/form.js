/** The form of a question for several values at once. */
import { button, el } from "chat/dom.js";
import { asks } from "chat/registries.js";
import { schemaForm } from "chat/schema.js";
import { t } from "chat/words.js";

asks.register("form", {
  icon: "question",
  title: ({ agent }) => [t("{name} asks", { name: agent || t("The agent") })],
  form: (request, answer) => {
    const fields = schemaForm(request.schema ?? {}, request.tool_args);
    const send = (event) => {
      event.preventDefault();
      const values = fields.read();
      if (values) answer({ tool_args: values });
    };
    return el(
      "form",
      { class: "ask-form", novalidate: true, onsubmit: send },
      fields.root,
      el("div", { class: "row" }, button({ class: "primary", type: "submit" }, "check", t("Send"))),
    );
  },
});
