/** Values of JSON that an agent shows, to be unfolded, and diffs. */
import { caption } from "chat/captions.js";
import { el, icon } from "chat/dom.js";
import { counted, visible } from "chat/format.js";
import { shown } from "chat/registries.js";
import { t } from "chat/words.js";

const OPEN_ITEMS = 20; // of a value that is unfolded from the beginning
const SHOWN_ITEMS = 500; // of one level

const isHolder = (value) => typeof value === "object" && value !== null;

function leaf(value) {
  const type = value === null ? "null" : typeof value;
  return el("span", { class: `json-${type}`, dir: "auto" }, type === "string" ? visible(value) : String(value));
}

/** An object or list; what is in it is made when it is first unfolded. */
function holder(value, label, isOpen) {
  const entries = Object.entries(value);
  const size = Array.isArray(value)
    ? counted(entries.length, "{n} item", "{n} items")
    : counted(entries.length, "{n} field", "{n} fields");
  const body = el("ul", { class: "json-items" });
  const root = el(
    "details",
    { class: "json-fold fold" },
    el("summary", {}, icon("right"), label, el("span", { class: "json-size" }, size)),
    body,
  );
  const fill = () => {
    if (body.childElementCount) return;
    const items = entries.slice(0, SHOWN_ITEMS).map(([name, item]) => el("li", {}, node(item, name)));
    body.append(...items);
    if (entries.length > SHOWN_ITEMS) body.append(el("li", {}, t("{n} more", { n: entries.length - SHOWN_ITEMS })));
  };
  root.addEventListener("toggle", fill);
  if (isOpen) fill();
  root.open = isOpen;
  return root;
}

function node(value, name, isOpen = false) {
  const label = name === null ? null : el("span", { class: "json-name" }, el("bdi", {}, visible(String(name))));
  if (isHolder(value)) return holder(value, label, isOpen);
  return el("div", { class: "json-leaf" }, label, leaf(value));
}

const pre = (text) => {
  const element = el("pre", { class: "plain", dir: "ltr", tabindex: "0" });
  element.textContent = text;
  return element;
};

shown.register("json", (part) => {
  const { value, text } = part;
  const isSmall = isHolder(value) && Object.keys(value).length <= OPEN_ITEMS;
  const content = text === undefined ? el("div", { class: "json", dir: "ltr" }, node(value, null, isSmall)) : pre(text);
  return el("figure", { class: "shown", "data-kind": "json" }, content, caption(part));
});

const LINES = { "+": "added", "-": "removed", "@": "place" };

function diffLine(line) {
  const isHead = line.startsWith("+++") || line.startsWith("---");
  return el("span", { class: `diff-line ${isHead ? "place" : (LINES[line[0]] ?? "")}` }, visible(line), "\n");
}

shown.register("diff", (part) => {
  const content = el("pre", { class: "plain diff", dir: "ltr", tabindex: "0" });
  content.append(...part.text.trimEnd().split("\n").map(diffLine));
  return el("figure", { class: "shown", "data-kind": "diff" }, content, caption(part));
});
