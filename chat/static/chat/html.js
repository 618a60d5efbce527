/**
 * The only place where HTML becomes nodes, under the page's only Trusted Types policy. The HTML is the server's: it has
 * been through the sanitiser there (chat/markdown.py). Nothing else may be given to `Blocks`.
 *
 * Nodes are changed, not replaced, wherever the new HTML allows it: a selection, the scroll position of a wide table
 * and the focus survive while the answer grows.
 */
import { ADDED_HERE, OWN, decorate } from "chat/decorations.js";

const policy = globalThis.trustedTypes?.createPolicy("chat-html", { createHTML: (html) => html }) ?? {
  createHTML: (html) => html,
};

const isBlank = (node) => node.nodeType === Node.TEXT_NODE && !node.data.trim();

/** @returns {Node[]} */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  decorate(template.content);
  return Array.from(template.content.childNodes).filter((node) => !isBlank(node));
}

/** Details open and close by the reader's hand. */
const isOurs = (name) => name.startsWith(ADDED_HERE) || name === "open";

/** What a reader has asked for stands between the server's nodes. */
const isTheirs = (node) => !node.classList?.contains("code-lines");

const isSame = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName;

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data === fresh.data) return;
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return;
  }
  if (old.hasAttribute(OWN)) return;
  for (const { name } of Array.from(old.attributes))
    if (!fresh.hasAttribute(name) && !isOurs(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (!isOurs(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphList(old, Array.from(old.childNodes).filter(isTheirs), Array.from(fresh.childNodes), null);
}

/** Make `old` (children of `parent`, in a row, before `end`) like `fresh`; return the nodes that are there now. */
function morphList(parent, old, fresh, end) {
  const nodes = fresh.map((node, at) => {
    const existing = old[at];
    if (existing && isSame(existing, node)) {
      morph(existing, node);
      return existing;
    }
    if (existing) existing.replaceWith(node);
    else parent.insertBefore(node, end);
    return node;
  });
  for (const extra of old.slice(fresh.length)) extra.remove();
  return nodes;
}

/** The blocks of one answer, as the children of `root`. */
export class Blocks {
  /** @param {Element} root */
  constructor(root) {
    this.root = root;
    this.blocks = []; // {html, nodes}
  }

  /**
   * @param {string[]} blocks  HTML. Several while it is written; a finished answer has one, with all of it.
   * @returns {boolean} whether anything changed
   */
  update(blocks) {
    const isFinal = blocks.length === 1 && this.blocks.length > 1;
    if (isFinal)
      this.blocks = [
        { html: this.blocks.map(({ html }) => html).join(""), nodes: this.blocks.flatMap(({ nodes }) => nodes) },
      ];
    let changed = false;
    for (let at = blocks.length - 1; at >= 0; at -= 1) changed = this.#place(at, blocks[at] ?? "") || changed;
    for (const { nodes } of this.blocks.splice(blocks.length)) for (const node of nodes) node.remove();
    return changed;
  }

  #place(at, html) {
    const known = this.blocks[at];
    if (known?.html === html) return false;
    const end = this.blocks.slice(at + 1).flatMap((block) => block?.nodes ?? [])[0] ?? null;
    this.blocks[at] = { html, nodes: morphList(this.root, known?.nodes ?? [], parse(html), end) };
    return true;
  }
}
