/** Files that came with a message of the user's: small pictures, and names. */
import { el, icon } from "chat/dom.js";
import { linked } from "chat/files.js";
import { bytes } from "chat/format.js";
import { pdfLink, pictureLink } from "chat/pictures.js";
import { t } from "chat/words.js";

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** @param {{name: string, type: string, size: number, url: string}} attachment */
function attachmentCard({ name, type, size, url }) {
  if (IMAGES.includes(type)) return pictureLink("attached attached-image", { url, name }, { alt: name });
  const words = [el("bdi", { class: "attached-name" }, name), el("span", { class: "attached-size" }, bytes(size))];
  if (type === "application/pdf") return pdfLink({ url, name }, { class: "attached" }, icon("file"), ...words);
  return linked(el("a", { class: "attached", download: name }, icon("file"), ...words), `${url}?download=1`, name);
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
