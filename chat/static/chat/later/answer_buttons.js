/** What the buttons of an answer do: those of code, and the way from a mark to its note or source and back. */
import { ADDED_HERE, OWN } from "chat/decorations.js";
import { el, setAttribute } from "chat/dom.js";
import { answerButtons } from "chat/registries.js";

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

/** Open the source of the mark that was pressed. @returns {boolean} whether there is one */
function openSource(mark) {
  const list = mark.closest(".part")?.querySelector(".sources");
  const item = list?.querySelector(`[data-source="${Number(mark.textContent)}"]`);
  if (!item) return false;
  const more = item.querySelector("details");
  if (more) more.open = true;
  item.querySelector("summary, .source").focus();
  return true;
}

answerButtons.register("copy-code", (control, copy) => copy(codeOf(control), control));
answerButtons.register("wrap-code", (control) => toggle(control, "wrap", "lines"));
answerButtons.register("number-code", (control) => toggle(control, "lines", "wrap")); // a wrapped line would have the numbers of two
answerButtons.register("save-code", (control) =>
  saveCode(codeOf(control), control.closest("figcaption").firstChild?.textContent ?? ""),
);
answerButtons.register("to-note", (control) => openSource(control) || goTo(control, ".footnote > sup > button"));
answerButtons.register("to-mark", (control) => goTo(control, ".footnote-mark > button"));
