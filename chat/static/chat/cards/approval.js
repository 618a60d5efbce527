/** The form of a question that asks for leave: approve, edit the arguments, reject with a reason. */
import { button, el, setText } from "chat/dom.js";
import { jsonText } from "chat/format.js";
import { asks } from "chat/registries.js";
import { t } from "chat/words.js";

function approvalForm(request, answer) {
  const shown = jsonText(request.tool_args ?? {});
  const args = el("pre", { class: "plain", dir: "ltr", tabindex: "0" }, shown);
  const editor = el("textarea", {
    class: "ask-editor",
    dir: "ltr",
    rows: "6",
    spellcheck: "false",
    "aria-label": t("Arguments as JSON"),
    hidden: true,
  });
  const reason = el("textarea", {
    class: "ask-reason",
    dir: "auto",
    rows: "2",
    "aria-label": t("Reason"),
    placeholder: t("Why not? The agent reads this (optional)"),
    hidden: true,
  });
  const problem = el("p", { class: "ask-problem", role: "alert", hidden: true });
  const always = el("input", { type: "checkbox" });
  editor.value = shown;

  const approve = () => {
    const approval = { approved: true, ...(always.checked && { always: true }) };
    if (editor.hidden) return answer(approval);
    const edited = parseObject(editor.value);
    problem.hidden = edited !== null;
    setText(problem, t("This is not a JSON object. Correct it, or take the change back."));
    return edited === null ? editor.focus() : answer({ ...approval, tool_args: edited });
  };
  const toggleEdit = ({ currentTarget }) => {
    editor.hidden = !editor.hidden;
    args.hidden = !editor.hidden;
    problem.hidden = true;
    setText(currentTarget.querySelector("span"), editor.hidden ? t("Edit…") : t("Undo the edit"));
    if (editor.hidden) editor.value = shown;
    else editor.focus();
  };
  const reject = () => {
    if (reason.hidden) {
      reason.hidden = false;
      setText(rejectButton.querySelector("span"), t("Reject with this reason"));
      return reason.focus();
    }
    return answer({ approved: false, content: reason.value.trim() || t("Rejected") });
  };
  const rejectButton = button({ class: "quiet", onclick: reject }, "close", t("Reject…"));
  return el(
    "div",
    {},
    request.tool_args && args,
    editor,
    problem,
    reason,
    el(
      "div",
      { class: "row" },
      button({ class: "primary", onclick: approve }, "check", t("Approve")),
      request.tool_args && button({ class: "quiet", onclick: toggleEdit }, "edit", t("Edit…")),
      rejectButton,
    ),
    el("label", { class: "check" }, always, t("Always allow this tool in this chat")),
  );
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
