/** What a search has found: a list, each hit with its page, if there is one, and what stands there. */
import { el } from "chat/dom.js";
import { counted, visible, webAddress } from "chat/format.js";
import { shown } from "chat/registries.js";

function hit({ title, url, text }) {
  const address = webAddress(url);
  const name = el("bdi", {}, visible(title || url || ""));
  const link = { class: "hit-title", href: address?.href, rel: "noopener noreferrer nofollow", target: "_blank" };
  const head = address ? el("a", link, name) : el("span", { class: "hit-title" }, name);
  return el(
    "li",
    { class: "hit" },
    (title || url) && head,
    (address || (title && url)) && el("span", { class: "hit-place", dir: "ltr" }, address?.host ?? visible(url)),
    text && el("p", { class: "hit-text", dir: "auto" }, visible(text)),
  );
}

shown.register("hits", ({ hits }) =>
  el(
    "figure",
    { class: "shown", "data-kind": "hits" },
    el("ol", { class: "hits" }, ...hits.map(hit)),
    el("figcaption", { class: "shown-caption" }, counted(hits.length, "{n} hit", "{n} hits")),
  ),
);
