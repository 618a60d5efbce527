/** What the parts of a reply are made of: avatars, folds, marks of a state. */
import { el, icon, setAttribute, setIcon, setText } from "chat/dom.js";
import { hue, initials } from "chat/format.js";

/** A rounded square with initials, or the agent's image. */
export function avatar(name, { image = "", size = "" } = {}) {
  if (image) return el("img", { class: `avatar ${size}`, src: image, alt: "" });
  return el("span", { class: `avatar ${size} hue-${hue(name)}`, "aria-hidden": "true" }, initials(name));
}

/** A fold that the page opens and closes until the user has done it once. */
export class Fold {
  constructor(name, ...summary) {
    this.summary = el("summary", {}, icon("right"), ...summary);
    this.body = el("div", { class: "fold-body" });
    this.root = el("details", { class: `fold ${name}` }, this.summary, this.body);
    this.summary.addEventListener("click", () => (this.touched = true));
  }

  /** @param {boolean} isOpen  unless the user chose otherwise */
  suggest(isOpen) {
    if (!this.touched && this.root.open !== isOpen) this.root.open = isOpen;
  }
}

export const TOOL_STATES = {
  running: ["wait", "Running"],
  complete: ["check", "Done"],
  error: ["alert", "Failed"],
  stopped: ["stop", "Stopped"],
  rejected: ["close", "Rejected"],
  interrupted: ["alert", "Interrupted"],
};

/** The pill with a sign and a word. */
export function stateMark() {
  const text = el("span");
  const root = el("span", { class: "mark" }, icon("wait"), text);
  return {
    root,
    update(state, states = TOOL_STATES) {
      const [symbol, label] = states[state] ?? states.complete;
      setAttribute(root, "data-state", state);
      setIcon(root, symbol);
      setText(text, label);
    },
  };
}
