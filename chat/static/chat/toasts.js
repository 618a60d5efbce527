/** Short messages at the foot of the page that leave by themselves. Nothing that matters is said here alone. */
import { button, el } from "chat/dom.js";

export class Toasts {
  /** @param {Element} root  a live region */
  constructor(root) {
    this.root = root;
  }

  /** @param {{action?: string, onAction?: () => void, ms?: number}} [options] */
  show(text, { action = "", onAction, ms = 4_000 } = {}) {
    const leave = () => toast.remove();
    const act = () => {
      leave();
      onAction();
    };
    const toast = el(
      "div",
      { class: "toast" },
      el("span", { dir: "auto" }, text),
      action && button({ class: "text-button", onclick: act }, "", action),
    );
    this.#surface();
    this.root.append(toast);
    setTimeout(leave, ms);
  }

  /** All that is outside an open dialog is inert: go inside, and come back when it closes. */
  #surface() {
    const dialog = document.querySelector("dialog[open]");
    if (!dialog || dialog.contains(this.root)) return;
    const home = this.root.parentElement;
    dialog.append(this.root);
    dialog.addEventListener("close", () => home.append(this.root), { once: true });
  }
}
