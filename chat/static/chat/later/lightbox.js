/** A picture or a PDF large over the page, and the way to the others of the conversation. */
import { el, icon, iconButton, newDomId, setAttribute, setText } from "chat/dom.js";
import { linked, loaded } from "chat/files.js";
import { dialogs } from "chat/registries.js";
import { t } from "chat/words.js";

const SWIPE_PX = 60;

const imageOf = (link) => loaded(el("img", { class: "lightbox-image", alt: link.querySelector("img").alt }), link.href);

class Lightbox {
  constructor() {
    const id = newDomId("lightbox");
    this.name = el("bdi", { class: "lightbox-name", id });
    this.zoom = iconButton(t("Actual size"), "zoom", { "aria-pressed": "false", onclick: () => this.#toggle() });
    this.save = el("span", { class: "lightbox-save" });
    this.stage = el("div", { class: "lightbox-stage", onclick: (event) => this.#press(event) });
    this.place = el("span", { class: "lightbox-place", role: "status" });
    this.ways = el(
      "div",
      { class: "lightbox-ways" },
      iconButton(t("Previous one"), "left", { onclick: () => this.#go(-1) }),
      this.place,
      iconButton(t("Next one"), "right", { onclick: () => this.#go(1) }),
    );
    this.close = iconButton(t("Close"), "close", { autofocus: true, onclick: () => this.root.close() });
    this.root = el(
      "dialog",
      { class: "lightbox", "aria-labelledby": id },
      el("div", { class: "lightbox-head" }, this.name, this.zoom, this.save, this.close),
      this.stage,
      this.ways,
    );
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("pointerover", (event) => this.#takeKeys(event));
    this.root.addEventListener("close", () => this.#leave());
    this.#bindSwipes();
    document.getElementById("app").append(this.root);
  }

  /** @param {HTMLAnchorElement} link  the picture that was pressed */
  open(link) {
    this.links = Array.from(document.querySelectorAll("#turns a[data-large]"));
    this.ways.hidden = this.links.length < 2;
    this.root.showModal();
    this.#show(this.links.indexOf(link));
  }

  #show(at) {
    const link = this.links[at];
    const { large: name, pdf } = link.dataset;
    this.at = at;
    this.shown =
      pdf === undefined ? imageOf(link) : el("iframe", { class: "lightbox-pdf", title: name, src: link.href });
    this.stage.replaceChildren(this.shown);
    this.zoom.hidden = pdf !== undefined;
    this.#enlarge(false);
    setText(this.name, name);
    setText(this.place, t("{n} of {all}", { n: at + 1, all: this.links.length }));
    const label = t("Download {name}", { name });
    const save = el("a", { class: "icon-button", download: name, "aria-label": label, title: label }, icon("download"));
    const isLost = document.activeElement === this.zoom ? this.zoom.hidden : this.save.contains(document.activeElement);
    this.save.replaceChildren(linked(save, `${link.href}?download=1`, name));
    if (isLost) this.close.focus(); // else the keys would be nobody's
  }

  /** Round and round. */
  #go(by) {
    const { length } = this.links;
    if (length > 1) this.#show((this.at + by + length) % length);
  }

  #toggle() {
    this.#enlarge(!this.isLarge);
  }

  /** In its own size it is moved by what scrolls, the keys too. */
  #enlarge(isLarge) {
    this.isLarge = isLarge;
    setAttribute(this.stage, "data-large", isLarge);
    setAttribute(this.stage, "tabindex", isLarge && "0");
    setAttribute(this.zoom, "aria-pressed", String(isLarge));
    if (!isLarge) return;
    this.stage.scrollTo((this.stage.scrollWidth - this.stage.clientWidth) / 2, 0);
  }

  #press({ target }) {
    if (target === this.shown) this.#toggle();
    else this.root.close();
  }

  #key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || (this.isLarge && event.target === this.stage)) return;
    event.preventDefault();
    this.#go(document.documentElement.dir === "rtl" ? -by : by);
  }

  /** A viewer that was pressed has all keys to itself: they are ours again when the pointer has left it. */
  #takeKeys({ target }) {
    if (document.activeElement === this.shown && target !== this.shown) this.close.focus();
  }

  #bindSwipes() {
    let began = null;
    this.stage.addEventListener("touchstart", ({ touches }) => (began = touches.length === 1 ? touches[0] : null), {
      passive: true,
    });
    this.stage.addEventListener("touchend", ({ changedTouches: [ended] }) => {
      const by = began && !this.isLarge ? ended.clientX - began.clientX : 0;
      if (Math.abs(by) < SWIPE_PX) return;
      this.#go(by > 0 === (document.documentElement.dir === "rtl") ? 1 : -1);
    });
  }

  /** The focus is on the picture that was seen last. */
  #leave() {
    this.stage.replaceChildren();
    this.links[this.at].focus();
  }
}

dialogs.register("lightbox", Lightbox);
