/** The forms of questions that are answered in the composer, and of those with choices. */
import { button, el } from "chat/dom.js";
import { visible } from "chat/format.js";
import { asks } from "chat/registries.js";
import { t } from "chat/words.js";

const title = ({ agent }) => [t("{name} asks", { name: agent || t("The agent") })];

asks.register("text", {
  icon: "question",
  title,
  form: (request, answer, actions) =>
    el(
      "div",
      { class: "row" },
      button({ class: "primary", onclick: () => actions.focusField() }, "edit", t("Answer below")),
    ),
});

const isObject = (option) => typeof option === "object" && option !== null;
const labelOf = (option) =>
  isObject(option) ? (option.label ?? option.value ?? JSON.stringify(option)) : String(option);
const valueOfOption = (option) => (isObject(option) && "value" in option ? option.value : option);

asks.register("choice", {
  icon: "question",
  title,
  form: ({ options = [] }, answer) => {
    const pick = (option) => answer({ choice: valueOfOption(option), content: labelOf(option) });
    return el(
      "div",
      { class: "choices" },
      ...options.map((option) =>
        button({ class: "choice", dir: "auto", onclick: () => pick(option) }, "", visible(String(labelOf(option)))),
      ),
    );
  },
});
