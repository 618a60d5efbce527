/** What the page adds to an answer's HTML: the buttons of code, those of marks and notes (`later/answer_buttons.js`). */
import { button, el, setAttribute } from "chat/dom.js";
import { t } from "chat/words.js";

export const ADDED_HERE = "data-ui-"; // attributes with this prefix are the page's, not the server's
export const OWN = `${ADDED_HERE}own`;

const codeButton = (action, label, symbol, attributes = {}) =>
  button(
    { class: "code-button", "data-action": action, "aria-label": label, title: label, [OWN]: true, ...attributes },
    symbol,
  );

function codeButtons() {
  const copy = codeButton("copy-code", t("Copy code"), "copy", { title: null });
  copy.append(el("span", {}, t("Copy")));
  return [
    codeButton("number-code", t("Line numbers"), "lines", { "aria-pressed": "false" }),
    codeButton("wrap-code", t("Wrap lines"), "wrap", { "aria-pressed": "false" }),
    codeButton("save-code", t("Download code"), "download"),
    copy,
  ];
}

let ofCode = null; // made once: each block of code has copies

/** @param {DocumentFragment} fragment  of the server's HTML */
export function decorate(fragment) {
  for (const caption of fragment.querySelectorAll("figure.code > figcaption")) {
    ofCode ??= codeButtons();
    caption.append(...ofCode.map((button) => button.cloneNode(true)));
  }
  for (const mark of fragment.querySelectorAll("sup.footnote-mark"))
    replaceText(mark, "to-note", t("Note {n}", { n: mark.textContent }));
  for (const label of fragment.querySelectorAll(".footnote > sup:first-child"))
    replaceText(label, "to-mark", t("Note {n}, back to the text", { n: label.textContent }));
}

function replaceText(element, action, label) {
  const control = button({ class: "note-button", "data-action": action, "aria-label": label }, "");
  control.textContent = element.textContent;
  element.replaceChildren(control);
}
