/** The card of an open question of the agent: a text, a choice, an approval. Its answer goes out as an `answer` frame. */
import { button, el, icon, newDomId, setText } from "chat/dom.js";

export class AskCard {
  constructor() {
    this.titleId = newDomId("ask");
    this.root = el("section", { class: "ask", tabindex: "-1", "aria-labelledby": this.titleId });
  }

  /** @param {{request: object}} item  the `input_request`; always the same one */
  update({ request }, { now, actions, state }) {
    if (!this.clock) this.#build(request, actions);
    setText(this.clock, request.timeout ? remaining(request, now) : "");
    const isAnswered = state.pending.some(({ frame }) => frame.request_id === request.request_id);
    for (const control of this.root.querySelectorAll("button, input, textarea")) control.disabled = isAnswered;
  }

  #build(request, actions) {
    const isApproval = request.kind === "approval";
    const title = isApproval
      ? `Approval needed${request.tool_name ? ": " : ""}`
      : `${request.agent || "The agent"} asks`;
    const form = FORMS[request.kind] ?? FORMS.text;
    this.clock = el("bdi", { class: "ask-clock" });
    this.root.append(
      el(
        "h2",
        { class: "ask-title", id: this.titleId },
        icon(isApproval ? "shield" : "question"),
        el("span", {}, title, isApproval && request.tool_name && el("code", {}, request.tool_name)),
        this.clock,
      ),
      ...[request.prompt && el("p", { class: "ask-prompt", dir: "auto" }, request.prompt)].filter(Boolean),
      form(request, (answer) => actions.answer(request.request_id, answer), actions),
    );
  }
}

function remaining({ askedAt, timeout }, now) {
  const seconds = Math.max(0, Math.ceil(timeout - (now - askedAt) / 1000));
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min ${seconds % 60} s left` : `${seconds} s left`;
}

const FORMS = {
  text: (request, answer, actions) =>
    el(
      "div",
      { class: "row" },
      button({ class: "primary", onclick: () => actions.focusField() }, "edit", "Answer below"),
    ),

  choice: (request, answer) => {
    const label = (option) =>
      typeof option === "object" && option !== null
        ? (option.label ?? option.value ?? JSON.stringify(option))
        : String(option);
    const value = (option) =>
      typeof option === "object" && option !== null && "value" in option ? option.value : option;
    const pick = (option) => answer({ choice: value(option), content: label(option) });
    return el(
      "div",
      { class: "choices" },
      ...(request.options ?? []).map((option) =>
        button({ class: "choice", dir: "auto", onclick: () => pick(option) }, "", label(option)),
      ),
    );
  },

  approval: approvalForm,
};

function approvalForm(request, answer) {
  const shown = JSON.stringify(request.tool_args ?? {}, null, 2);
  const args = el("pre", { class: "plain", dir: "ltr", tabindex: "0" }, shown);
  const editor = el("textarea", {
    class: "ask-editor",
    dir: "ltr",
    rows: "6",
    spellcheck: "false",
    "aria-label": "Arguments as JSON",
    hidden: true,
  });
  const reason = el("textarea", {
    class: "ask-reason",
    dir: "auto",
    rows: "2",
    "aria-label": "Reason",
    placeholder: "Why not? The agent reads this (optional)",
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
    setText(problem, "This is not a JSON object. Correct it, or take the change back.");
    return edited === null ? editor.focus() : answer({ ...approval, tool_args: edited });
  };
  const toggleEdit = ({ currentTarget }) => {
    editor.hidden = !editor.hidden;
    args.hidden = !editor.hidden;
    problem.hidden = true;
    setText(currentTarget.querySelector("span"), editor.hidden ? "Edit…" : "Undo the edit");
    if (editor.hidden) editor.value = shown;
    else editor.focus();
  };
  const reject = () => {
    if (reason.hidden) {
      reason.hidden = false;
      setText(rejectButton.querySelector("span"), "Reject with this reason");
      return reason.focus();
    }
    return answer({ approved: false, content: reason.value.trim() || "Rejected" });
  };
  const rejectButton = button({ class: "quiet", onclick: reject }, "close", "Reject…");
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
      button({ class: "primary", onclick: approve }, "check", "Approve"),
      request.tool_args && button({ class: "quiet", onclick: toggleEdit }, "edit", "Edit…"),
      rejectButton,
    ),
    el("label", { class: "check" }, always, "Always allow this tool in this chat"),
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
