/** The form of a question that asks for leave: approve, edit the arguments, reject with a reason. */
import { button, el, setText } from "chat/dom.js";
import { jsonText } from "chat/format.js";
import { asks } from "chat/registries.js";
import { schemaForm } from "chat/schema.js";
import { t } from "chat/words.js";

function approvalForm(request, answer) {
  const shown = jsonText(request.tool_args ?? {});
  const args = el("pre", { class: "plain", dir: "ltr", tabindex: "0" }, shown);
  const place = el("div", { hidden: true });
  const reason = el("textarea", {
    class: "ask-reason",
    dir: "auto",
    rows: "2",
    "aria-label": t("Reason"),
    placeholder: t("Why not? The agent reads this (optional)"),
    hidden: true,
  });
  const always = el("input", { type: "checkbox" });
  let editor = null; // of the arguments, while they are edited

  const approve = () => {
    const approval = { approved: true, ...(always.checked && { always: true }) };
    if (!editor) return answer(approval);
    const edited = editor.read();
    return edited && answer({ ...approval, tool_args: edited });
  };
  const toggleEdit = ({ currentTarget }) => {
    editor = editor ? null : request.schema ? schemaForm(request.schema, request.tool_args) : jsonForm(shown);
    place.replaceChildren(...(editor ? [editor.root] : []));
    place.hidden = !editor;
    args.hidden = Boolean(editor);
    setText(currentTarget.querySelector("span"), editor ? t("Undo the edit") : t("Edit…"));
    place.querySelector("input, textarea, select")?.focus();
  };
  const reject = () => {
    if (reason.hidden) {
      reason.hidden = false;
      setText(rejectButton.querySelector("span"), t("Reject with this reason"));
      return reason.focus();
    }
    return answer({ approved: false, content: reason.value.trim() });
  };
  const rejectButton = button({ class: "quiet", onclick: reject }, "close", t("Reject…"));
  return el(
    "div",
    {},
    request.tool_args && args,
    place,
    reason,
    el(
      "div",
      { class: "row" },
      button({ class: "primary", onclick: approve }, "check", t("Approve")),
      request.tool_args && button({ class: "quiet", onclick: toggleEdit }, "edit", t("Edit…")),
      rejectButton,
    ),
    request.tool_name && el("label", { class: "check" }, always, t("Always allow this tool in this chat")),
  );
}

/** The arguments as JSON, where no schema says what they are. @returns {import("chat/schema.js").SchemaForm} */
function jsonForm(shown) {
  const field = el("textarea", {
    class: "ask-editor",
    dir: "ltr",
    rows: "6",
    spellcheck: "false",
    "aria-label": t("Arguments as JSON"),
  });
  const problem = el("p", { class: "ask-problem", role: "alert", hidden: true });
  field.value = shown;
  return {
    root: el("div", {}, field, problem),
    read() {
      const edited = parseObject(field.value);
      problem.hidden = edited !== null;
      setText(problem, t("This is not a JSON object. Correct it, or take the change back."));
      if (edited === null) field.focus();
      return edited;
    },
  };
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

asks.register("approval", {
  icon: "shield",
  title: ({ tool_name: name }) => (name ? [t("Approval needed:"), " ", el("code", {}, name)] : [t("Approval needed")]),
  form: approvalForm,
});
