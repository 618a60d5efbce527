/** What stands in an answer's place until something of it is there: dots, and after a while for how long already. */
import { el, setText } from "chat/dom.js";
import { duration } from "chat/format.js";
import { t } from "chat/words.js";

const PATIENCE_MS = 5000; // people do not wonder before
const TICK_MS = 1000;

export class Waiting {
  #since = 0; // when it was shown; 0 while hidden
  #timer = 0;

  constructor() {
    this.seconds = el("span", { class: "dots-seconds", "aria-hidden": "true" }); // read out once a second it would nag
    this.text = el("p", { class: "dots-long", hidden: true }, t("Still waiting for the model"), this.seconds);
    this.dots = el("p", { class: "dots" }, el("i"), el("i"), el("i"), el("span", {}, t("Writing…")));
    this.root = el("div", { class: "waiting", hidden: true }, this.dots, this.text);
  }

  /** @param {boolean} isShown */
  show(isShown) {
    if (isShown === !this.root.hidden) return;
    this.root.hidden = !isShown;
    this.text.hidden = true;
    clearInterval(this.#timer);
    if (!isShown) return;
    this.#since = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #tick() {
    if (!this.root.isConnected) return clearInterval(this.#timer); // the answer is gone with its conversation
    const ms = performance.now() - this.#since;
    if (ms < PATIENCE_MS) return;
    this.text.hidden = false;
    setText(this.seconds, ` · ${ms < 60_000 ? t("{n} s", { n: Math.round(ms / 1000) }) : duration(ms)}`);
  }
}
