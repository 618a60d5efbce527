/** Above the field: the files that go with the message, how far each has come, and a button to leave it out. */
import { KeyedList, el, icon, iconButton, setAttribute, setText } from "chat/dom.js";
import { bytes } from "chat/format.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

class UploadChip {
  constructor({ key, name, preview }, uploads) {
    const face = preview ? el("img", { class: "upload-image", src: preview, alt: "" }) : icon("file");
    this.note = el("span", { class: "upload-note" });
    this.bar = el("progress", { class: "upload-bar", max: "1", "aria-label": t("Sending {name}", { name }) });
    const again = () => uploads.retry(key);
    this.again = iconButton(t("Send {name} again", { name }), "again", { hidden: true, onclick: again });
    const remove = iconButton(t("Remove {name}", { name }), "close", { onclick: () => uploads.remove(key) });
    const words = el("span", { class: "upload-words" }, el("bdi", { class: "upload-name" }, name), this.note, this.bar);
    this.root = el("li", { class: "upload" }, face, words, this.again, remove);
  }

  update({ state, progress, size, problem, isLarge }) {
    const isOnItsWay = state === "waiting" || state === "sending";
    this.bar.hidden = !isOnItsWay;
    this.again.hidden = state !== "failed" || isLarge;
    this.bar.value = progress;
    setText(this.note, isOnItsWay ? "" : problem || bytes(size));
    setAttribute(this.root, "data-state", state);
  }
}

class UploadList {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor({ uploads }) {
    this.uploads = uploads;
    this.problem = el("p", { class: "upload-problem", role: "alert", hidden: true });
    this.list = el("ul", { class: "uploads", "aria-label": t("Files of your message"), hidden: true });
    this.items = new KeyedList(this.list, (item) => new UploadChip(item, uploads));
    this.root = el("div", {}, this.list, this.problem);
  }

  update() {
    const { items, problem } = this.uploads;
    this.list.hidden = !items.length;
    this.items.update(items, null);
    this.problem.hidden = !problem;
    setText(this.problem, problem);
  }
}

fillSlot("above", UploadList);
