/** How far something has come: what it is, how much of it is done, a bar. */
import { el, setAttribute, setText } from "chat/dom.js";
import { figure } from "chat/format.js";
import { t } from "chat/words.js";

export class StepBar {
  constructor() {
    this.label = el("span", { class: "step-label", dir: "auto" });
    this.figures = el("span", { class: "card-figures" });
    this.bar = el("progress", { class: "step-bar", max: "1" });
    this.root = el("span", { class: "step", hidden: true }, this.label, this.figures, this.bar);
  }

  /** @param {object|null|undefined} progress  the newest `progress`; nothing: there is none */
  update(progress) {
    this.root.hidden = !progress;
    if (!progress || progress === this.shown) return;
    this.shown = progress;
    const { label, fraction, done, total } = progress;
    const isCounted = typeof total === "number";
    const percent = typeof fraction === "number" ? `${Math.floor(100 * fraction)} %` : "";
    setText(this.label, label);
    setText(this.figures, isCounted ? t("{done} of {total}", { done: figure(done), total: figure(total) }) : percent);
    setAttribute(this.bar, "aria-label", label || t("Progress"));
    if (typeof fraction === "number") this.bar.value = fraction;
    else this.bar.removeAttribute("value");
  }
}
