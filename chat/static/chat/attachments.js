/** Files that came with a message of the user's: small pictures, and names. */
import { el, icon } from "chat/dom.js";
import { bytes } from "chat/format.js";
import { t } from "chat/words.js";

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** @param {{name: string, type: string, size: number, url: string}} attachment */
function attachmentCard({ name, type, size, url }) {
  if (IMAGES.includes(type)) {
    const image = el("img", { src: url, alt: name, loading: "lazy" });
    return el("a", { class: "attached attached-image", href: url, target: "_blank", rel: "noopener" }, image);
  }
  const words = [el("bdi", { class: "attached-name" }, name), el("span", { class: "attached-size" }, bytes(size))];
  return el("a", { class: "attached", href: `${url}?download=1`, download: name }, icon("file"), ...words);
}

/** A list that shows what it is given. */
export class AttachmentList {
  constructor() {
    this.root = el("ul", { class: "attached-list", "aria-label": t("Files"), hidden: true });
    this.shown = "";
  }

  update(attachments = []) {
    const key = attachments.map(({ id }) => id).join();
    if (key === this.shown) return;
    this.shown = key;
    this.root.hidden = !attachments.length;
    this.root.replaceChildren(...attachments.map((attachment) => el("li", {}, attachmentCard(attachment))));
  }
}
