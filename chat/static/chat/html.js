/**
 * The only place where HTML becomes nodes, under the page's only Trusted Types policy. The HTML is the server's: it has
 * been through the sanitiser there (chat/markdown.py). Nothing else may be given to `Blocks`.
 *
 * Nodes are changed, not replaced, wherever the new HTML allows it: a selection, the scroll position of a wide table
 * and the focus survive while the answer grows.
 */
import { button } from "chat/dom.js";

const policy = globalThis.trustedTypes?.createPolicy("chat-html", { createHTML: (html) => html }) ?? {
  createHTML: (html) => html,
};

const isBlank = (node) => node.nodeType === Node.TEXT_NODE && !node.data.trim();
const ADDED_HERE = "data-ui-"; // attributes with this prefix are the page's, not the server's
const OWN = `${ADDED_HERE}own`;

/** @returns {Node[]} */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(html);
  decorate(template.content);
  return Array.from(template.content.childNodes).filter((node) => !isBlank(node));
}

/** Add what belongs to the page and not to the text: the buttons of code. */
function decorate(fragment) {
  for (const figure of fragment.querySelectorAll("figure.code")) {
    figure.querySelector("figcaption").append(
      button(
        {
          class: "code-button",
          "data-action": "wrap-code",
          "aria-label": "Wrap lines",
          title: "Wrap lines",
          "aria-pressed": "false",
          [OWN]: true,
        },
        "wrap",
      ),
      button(
        { class: "code-button", "data-action": "copy-code", "aria-label": "Copy code", [OWN]: true },
        "copy",
        "Copy",
      ),
    );
  }
}

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
    if (!fresh.hasAttribute(name) && !name.startsWith(ADDED_HERE)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphList(old, Array.from(old.childNodes), Array.from(fresh.childNodes), null);
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
