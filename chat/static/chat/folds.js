/** What the parts of a reply are made of: avatars, folds, marks of a state. */
import { button, el, icon, newDomId, setAttribute, setIcon, setText } from "chat/dom.js";
import { hue, initials } from "chat/format.js";
import { t } from "chat/words.js";

/** A rounded square with initials, or the agent's image. */
export function avatar(name, { image = "", size = "", colour = "" } = {}) {
  if (image) return el("img", { class: `avatar ${size}`, src: image, alt: "" });
  const own = colour ? "own-colour" : `hue-${hue(name)}`;
  const face = el("span", { class: `avatar ${size} ${own}`, "aria-hidden": "true" }, initials(name));
  if (colour) face.style.setProperty("--own-colour", colour);
  return face;
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

const MANY_CHARS = 4_000;
const MANY_LINES = 60;

/** @param {string} text */
export const isLong = (text) => text.length > MANY_CHARS || text.split("\n", MANY_LINES + 1).length > MANY_LINES;

/**
 * Keeps a long content low until it is asked for, or something in it is: all of it is there, so the browser's search and
 * Tab find their way in, and what they find is scrolled to.
 */
export class Cut {
  /** @param {HTMLElement} content */
  constructor(content) {
    this.content = content;
    content.id ||= newDomId("cut");
    this.text = el("span");
    this.button = button({ class: "quiet cut-button", "aria-controls": content.id, hidden: true }, "", "");
    this.button.append(icon("down"), this.text);
    this.button.addEventListener("click", () => this.#choose(!this.isOpen));
    content.addEventListener("scroll", () => this.#choose(true));
  }

  /** @param {boolean} isCut  unless the user chose otherwise */
  suggest(isCut) {
    if (!this.isChosen) this.#show(isCut, !isCut);
  }

  #choose(isOpen) {
    const top = this.content.getBoundingClientRect().top;
    this.isChosen = true;
    this.#show(true, isOpen);
    this.content.scrollTop = 0;
    if (!isOpen && top < 0) this.content.scrollIntoView({ block: "start" });
  }

  #show(hasButton, isOpen) {
    this.isOpen = isOpen;
    this.button.hidden = !hasButton;
    setText(this.text, isOpen ? t("Show less") : t("Show all"));
    setAttribute(this.button, "aria-expanded", isOpen ? "true" : "false");
    setAttribute(this.content, "data-cut", !isOpen);
  }
}

export const TOOL_STATES = {
  running: ["wait", t("Running")],
  asking: ["shield", t("Needs approval")],
  complete: ["check", t("Done")],
  error: ["alert", t("Failed")],
  stopped: ["stop", t("Stopped")],
  rejected: ["close", t("Rejected")],
  interrupted: ["alert", t("Interrupted")],
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
