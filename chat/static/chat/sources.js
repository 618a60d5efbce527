/** What an answer stands on: a chip for each source below it, and the way there from its mark in the text. */
import { el, icon, setAttribute } from "chat/dom.js";
import { linked } from "chat/files.js";
import { visible, webAddress } from "chat/format.js";
import { t } from "chat/words.js";

/** @typedef {{number?: number, title?: string, document?: string, page?: string|number, url?: string, quote?: string}} Source */

const numberOf = (source, at) => source.number ?? at + 1;

function nameOf(source, at) {
  const { title, document, url, name, page, attachment } = source;
  const named = visible(
    title || document || name || attachment?.name || url || t("Source {n}", { n: numberOf(source, at) }),
  );
  return page ? t("{name}, page {page}", { name: named, page }) : named;
}

// What may be taken for where a link leads.
const ADDRESS = /[^\s.][.。](?:\p{L}|\d+\.\d)|:\/\//u;
const LINK = { rel: "noopener noreferrer nofollow", target: "_blank" };

function chip(source, at) {
  const address = webAddress(source.url);
  const { quote, document, title, attachment } = source;
  const number = numberOf(source, at);
  const label = [el("b", {}, String(number)), el("bdi", {}, nameOf(source, at))];
  const isMore = quote || attachment || (document && document !== title);
  if (!isMore && address) {
    const host = ADDRESS.test(nameOf(source, at).normalize("NFKC")) && el("bdi", {}, `(${address.host})`);
    return el("a", { class: "source", href: address.href, ...LINK }, ...label, host);
  }
  if (!isMore) return el("span", { class: "source", tabindex: "-1" }, ...label);
  return el(
    "details",
    { class: "source-more fold" },
    el("summary", { class: "source" }, ...label, icon("right")),
    el(
      "div",
      { class: "source-body" },
      quote && el("blockquote", { class: "source-quote", dir: "auto" }, visible(quote)),
      document && document !== title && el("p", { class: "card-note" }, el("bdi", {}, visible(document))),
      address && el("a", { href: address.href, ...LINK }, address.host),
      attachment && linked(el("a", LINK, el("bdi", {}, visible(attachment.name))), attachment.url, attachment.name),
    ),
  );
}

/** @param {Source[]} sources */
export const sourceList = (sources) =>
  el(
    "ol",
    { class: "sources", "aria-label": t("Sources") },
    ...sources.map((source, at) => el("li", { "data-source": numberOf(source, at) }, chip(source, at))),
  );

/** The marks of a text say what they lead to. @param {Element} prose  @param {Source[]} sources */
export function nameMarks(prose, sources) {
  const names = new Map(sources.map((source, at) => [String(numberOf(source, at)), nameOf(source, at)]));
  for (const mark of prose.querySelectorAll(".footnote-mark > button"))
    setAttribute(mark, "title", names.get(mark.textContent) ?? null);
}
