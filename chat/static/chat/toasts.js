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
    const toast = el("div", { class: "toast" }, el("span", { dir: "auto" }, text), action && button({ class: "text-button", onclick: act }, "", action));
    this.root.append(toast);
    setTimeout(leave, ms);
  }
}
