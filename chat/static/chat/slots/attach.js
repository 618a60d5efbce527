/** Beside the buttons: the one that attaches files. They may be dropped on the page, too, or pasted. */
import { el, icon, iconButton } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

const LONG_PASTE = 8_000; // characters; a longer text becomes a file

const hasFiles = ({ dataTransfer }) => Boolean(dataTransfer?.types.includes("Files"));

class Attach {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor(composer) {
    this.composer = composer;
    this.input = el("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-label": t("Files") });
    this.button = iconButton(t("Attach files"), "clip", {
      class: "icon-button attach",
      onclick: () => this.input.click(),
    });
    this.sign = el(
      "div",
      { class: "drop-sign", "aria-hidden": "true", hidden: true },
      icon("clip"),
      el("span", {}, t("Drop files here")),
    );
    document.querySelector(".main").append(this.sign);
    this.root = el("span", { class: "attach-slot" }, this.input, this.button);
    this.input.addEventListener("change", () => {
      this.#add(this.input.files);
      this.input.value = ""; // the same file may be chosen again
    });
    composer.field.addEventListener("paste", (event) => this.#paste(event));
    document.addEventListener("dragover", (event) => this.#over(event));
    document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget === null && this.#mark(false));
    document.addEventListener("drop", (event) => this.#drop(event));
  }

  /** @param {import("chat/composer.js").Look} look */
  update({ isClosed }) {
    this.root.hidden = this.composer.uploads.limits.maxFiles === 0;
    this.button.disabled = isClosed;
  }

  get isOff() {
    return this.root.hidden || this.button.disabled;
  }

  #add(files) {
    this.composer.uploads.add(files);
    this.composer.focus();
  }

  #paste(event) {
    const { files } = event.clipboardData;
    const text = event.clipboardData.getData("text/plain");
    if (this.isOff || (!files.length && text.length <= LONG_PASTE)) return;
    event.preventDefault();
    this.#add(files.length ? files : [new File([text], "pasted.txt", { type: "text/plain" })]);
  }

  #over(event) {
    if (!hasFiles(event)) return;
    event.preventDefault(); // else the browser would open what is dropped, and leave the page
    this.#mark(!this.isOff);
  }

  #drop(event) {
    if (!hasFiles(event)) return;
    event.preventDefault();
    this.#mark(false);
    if (!this.isOff) this.#add(event.dataTransfer.files);
  }

  #mark(isOver) {
    this.sign.hidden = !isOver;
  }
}

fillSlot("row", Attach);
