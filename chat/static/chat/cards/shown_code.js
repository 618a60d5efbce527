/** Code that an agent runs or proposes, and what an author's own template makes of a tool: HTML of the server's. */
import { caption } from "chat/captions.js";
import { el } from "chat/dom.js";
import { Blocks } from "chat/html.js";
import { shown } from "chat/registries.js";

function prose(html) {
  const root = el("div", { class: "prose", dir: "auto" });
  new Blocks(root).update([html]);
  return root;
}

shown.register("code", (part) => {
  if (part.html) return prose(part.html);
  const pre = el("pre", { class: "plain", dir: "ltr", tabindex: "0" }, part.text);
  return el("figure", { class: "shown", "data-kind": "code" }, pre, caption(part));
});

shown.register("html", (part) => prose(part.html));
