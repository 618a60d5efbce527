/** What the page adds to an answer's HTML, and what it does: the buttons of code, the way from a mark to its note and back. */
import { button, el, setAttribute } from "chat/dom.js";
import { openSource } from "chat/sources.js";
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

/** @type {Record<string, (control: HTMLElement, copy: (text: string, control: HTMLElement) => void) => void>} */
const ACTIONS = {
  "copy-code": (control, copy) => copy(codeOf(control), control),
  "wrap-code": (control) => toggle(control, "wrap", "lines"),
  "number-code": (control) => toggle(control, "lines", "wrap"), // a wrapped line would have the numbers of two
  "save-code": (control) => saveCode(codeOf(control), control.closest("figcaption").firstChild?.textContent ?? ""),
  "to-note": (control) => openSource(control) || goTo(control, ".footnote > sup > button"),
  "to-mark": (control) => goTo(control, ".footnote-mark > button"),
};

/** Do what the button in an answer that was pressed says. @param {Event} event  @param {Function} copy */
export function act({ target }, copy) {
  const control = target.closest("[data-action]");
  if (control) ACTIONS[control.dataset.action]?.(control, copy);
}

const codeOf = (control) => control.closest("figure").querySelector("pre").textContent;

function toggle(control, name, other) {
  const figure = control.closest("figure");
  const isOn = !figure.hasAttribute(ADDED_HERE + name);
  figure.removeAttribute(ADDED_HERE + other);
  setAttribute(figure, ADDED_HERE + name, isOn);
  figure.querySelector(":scope > .code-lines")?.remove();
  if (isOn && name === "lines") figure.querySelector("pre").before(numbersOf(codeOf(control)));
  for (const each of control.parentElement.querySelectorAll("[aria-pressed]"))
    setAttribute(each, "aria-pressed", String(each === control && isOn));
}

function numbersOf(code) {
  const count = code.replace(/\n$/, "").split("\n").length;
  const numbers = Array.from({ length: count }, (_, at) => at + 1).join("\n");
  return el("span", { class: "code-lines", "aria-hidden": "true", [OWN]: true }, numbers);
}

const FILE_ENDINGS = {
  bash: "sh",
  "c#": "cs",
  "c++": "cpp",
  console: "sh",
  csharp: "cs",
  javascript: "js",
  kotlin: "kt",
  markdown: "md",
  mermaid: "mmd",
  powershell: "ps1",
  python: "py",
  ruby: "rb",
  rust: "rs",
  shell: "sh",
  typescript: "ts",
  yaml: "yml",
};

function saveCode(code, language) {
  const name = language.toLowerCase();
  const ending = FILE_ENDINGS[name] ?? (/^[a-z0-9]{1,8}$/.test(name) ? name : "txt");
  const url = URL.createObjectURL(new Blob([code], { type: "text/plain" }));
  el("a", { href: url, download: `code.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser has begun by then
}

function goTo(control, selector) {
  const text = control.textContent;
  const found = Array.from(control.closest(".prose").querySelectorAll(selector)).find(
    (button) => button.textContent === text,
  );
  found?.focus();
}
