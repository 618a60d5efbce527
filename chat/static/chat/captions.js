/** The line below what an agent shows. */
import { el, icon } from "chat/dom.js";
import { linked } from "chat/files.js";
import { bytes } from "chat/format.js";
import { pdfLink } from "chat/pictures.js";
import { t } from "chat/words.js";

/** The line below what is shown: its name, what there is to say of it, and where all of it is. */
export function caption({ kind, name, attachment }, ...notes) {
  const size = attachment && bytes(attachment.size);
  const title = el("bdi", { class: "shown-name" }, name || attachment?.name || "");
  const said = [...notes, size].filter(Boolean).join(" · ");
  return el(
    "figcaption",
    { class: "shown-caption" },
    kind === "pdf" ? pdfLink(attachment, {}, title) : title,
    said && el("span", { class: "card-figures" }, said),
    attachment && download(attachment),
  );
}

function download({ name, url }) {
  const label = t("Download {name}", { name });
  const link = el("a", { class: "shown-download", download: name, "aria-label": label }, icon("download"));
  return linked(link, `${url}?download=1`, name);
}
