/** What an agent shows beside its words: pictures, sound, files. Tables, JSON and diffs have files in `chat/later/`. */
import { caption } from "chat/captions.js";
import { el, icon } from "chat/dom.js";
import { loaded } from "chat/files.js";
import { Fold } from "chat/folds.js";
import { shownOf } from "chat/parts.js";
import { pictureLink } from "chat/pictures.js";
import { parts, shown } from "chat/registries.js";
import { t } from "chat/words.js";

class ShownPart {
  constructor() {
    this.root = el("div", { class: "part shown-parts" });
  }

  update({ message }) {
    if (message === this.message) return;
    const isSame = JSON.stringify(message.parts) === JSON.stringify(this.message?.parts);
    this.message = message;
    if (isSame) return; // a record that comes again must not fold up what was unfolded
    this.root.replaceChildren(...message.parts.map(shownOf));
  }
}

const framed = (part, ...children) => el("figure", { class: "shown", "data-kind": part.kind }, ...children);

shown.register("image", (part) => {
  const { attachment, width, height, alt, name } = part;
  const picture = pictureLink("shown-image", attachment, { width, height, alt: alt || name });
  return framed(part, picture, caption(part), ...dataOf(part));
});

/** The points of a figure. */
function dataOf({ data, name }) {
  if (!data) return [];
  const fold = new Fold("shown-data", el("span", {}, t("Data")));
  fold.body.append(shownOf({ kind: "table", name, ...data }));
  return [fold.root];
}

shown.register("audio", (part) => {
  const { attachment, name } = part;
  const player = el("audio", { controls: true, preload: "metadata", "aria-label": name });
  return framed(part, loaded(player, attachment.url), caption(part));
});

function fileCard(part) {
  const line = caption(part);
  line.prepend(icon("file"));
  return framed(part, line);
}

shown.register("pdf", fileCard);
shown.register("file", fileCard);

// Beside other parts: alone it is the message's own text.
shown.register("text", ({ text }) => el("p", { dir: "auto" }, text ?? ""));

parts.register("shown", ShownPart);
