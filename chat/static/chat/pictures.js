/** Pictures and PDFs of the chat: each is a link to itself, and opens large over the page (`later/lightbox.js`). */
import { el } from "chat/dom.js";
import { areFetched, linked, loaded } from "chat/files.js";

const TAB = { target: "_blank", rel: "noopener" };

/** @param {string} className @param {{url: string, name: string}} attachment @param {object} attributes  of the image */
export function pictureLink(className, { url, name }, attributes) {
  const image = loaded(el("img", { loading: "lazy", ...attributes }), url);
  return el("a", { class: className, href: url, ...TAB, "data-large": name }, image);
}

/** @param {{url: string, name: string}} attachment @param {object} attributes  of the link @param {...Node} children */
export function pdfLink({ url, name }, attributes, ...children) {
  // A frame shows it, which asks for it by its address.
  const isFramed = !areFetched() && navigator.pdfViewerEnabled && self === top;
  return linked(el("a", { ...attributes, ...TAB, ...(isFramed && { "data-large": name, "data-pdf": true }) }, ...children), url, name); // prettier-ignore
}

/** Show what was pressed large; what was pressed with Ctrl or its like has a tab of its own. */
export function showLarge(event, dialogs) {
  const link = event.target.closest("a[data-large]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  dialogs.with("lightbox", (lightbox) => lightbox.open(link));
}
