/** The form of a question that is answered with files. */
import { button, el, setText } from "chat/dom.js";
import { asks } from "chat/registries.js";
import { t } from "chat/words.js";

asks.register("file", {
  icon: "file",
  title: ({ agent }) => [t("{name} asks for a file", { name: agent || t("The agent") })],
  form(request, answer, { newUploads }) {
    const note = el("span", { class: "ask-note", role: "status" });
    const input = el("input", { type: "file", multiple: true, hidden: true, tabindex: "-1", "aria-label": t("Files") });
    const choose = button({ class: "primary", onclick: () => input.click() }, "clip", t("Choose files…"));
    const uploads = newUploads(() => {
      const { items, done, isBusy } = uploads;
      if (!items.length) return;
      const failed = items.find(({ state }) => state === "failed");
      const progress = items.reduce((sum, item) => sum + item.progress, 0) / items.length;
      setText(
        note,
        failed ? `${failed.name}: ${failed.problem}` : t("Sending… {n} %", { n: Math.round(100 * progress) }),
      );
      if (isBusy) return;
      if (failed) return void uploads.clear();
      uploads.take();
      answer({ attachments: done.map(({ id }) => id), content: done.map(({ name }) => name).join(", ") });
    });
    input.addEventListener("change", () => {
      const chosen = Array.from(input.files);
      input.value = "";
      uploads.add(chosen);
    });
    return el("div", { class: "row" }, input, choose, note);
  },
});
