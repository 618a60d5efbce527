/** The user's message, and the field in its place while it is edited. */
import { AttachmentList } from "chat/attachments.js";
import { branchSwitch } from "chat/branches.js";
import { button, el, icon, iconButton, newDomId, setAttribute, setText } from "chat/dom.js";
import { Cut, isLong } from "chat/folds.js";
import { clockTime, jsonText } from "chat/format.js";
import { t } from "chat/words.js";

/** Whether it says more than the names of its files, which stand on them. */
const hasWords = ({ content, attachments = [] }) =>
  Boolean(content) && content !== attachments.map(({ name }) => name).join(", ");

export class UserView {
  constructor() {
    this.titleId = newDomId("user");
    this.title = el("h2", { class: "hidden", id: this.titleId });
    this.bubble = el("div", { class: "bubble", dir: "auto" });
    this.cut = new Cut(this.bubble);
    this.files = new AttachmentList();
    this.note = el("p", { class: "note", hidden: true });
    this.copy = iconButton(t("Copy message"), "copy", {
      onclick: ({ currentTarget }) => this.context.actions.copy(this.message.content, currentTarget),
    });
    this.pen = iconButton(t("Edit message"), "edit", { onclick: () => this.edit() });
    this.branch = branchSwitch((turn) => this.context.actions.branch(turn));
    this.time = el("time", { class: "time" });
    this.row = el("div", { class: "actions" }, this.time, this.copy, this.pen, this.branch.root);
    this.root = el(
      "article",
      { class: "user", tabindex: "-1", "aria-labelledby": this.titleId },
      this.title,
      this.bubble,
      this.cut.button,
      this.files.root,
      this.note,
      this.row,
    );
  }

  update(item, context) {
    this.context = context;
    this.message = item.message;
    setAttribute(this.root, "data-seq", item.message.seq);
    const time = clockTime(item.message.timestamp);
    setText(this.title, time ? t("You said, {time}", { time }) : t("You said"));
    setText(this.bubble, item.kind === "answer" ? answerText(item.message) : item.message.content);
    this.bubble.hidden = !hasWords(item.message) || Boolean(this.editor);
    this.files.update(item.message.attachments);
    this.cut.suggest(isLong(item.message.content));
    setText(this.time, time);
    setAttribute(this.time, "datetime", item.message.timestamp);
    const { status, progress } = context.state;
    const isBegun = progress?.turn === item.turn.id; // its agent is being made
    this.isQueued = item.kind === "user" && status.queued.includes(item.turn.id) && !isBegun;
    this.note.hidden = !this.isQueued || Boolean(this.editor);
    if (this.isQueued && !this.note.childElementCount)
      this.note.append(
        icon("clock"),
        el("span", {}, t("Waiting for its turn")),
        button({ class: "text-button", onclick: () => this.edit() }, "", t("Edit")),
        button(
          { class: "text-button", onclick: () => this.context.actions.cancelQueued(this.message) },
          "",
          t("Cancel"),
        ),
      );
    this.pen.hidden = item.kind === "answer";
    this.shownBranch = item.turn.branch?.isReply ? null : item.turn.branch;
    this.enable(context);
  }

  enable({ canAct }) {
    this.pen.disabled = !canAct && !this.isQueued;
    this.branch.update(this.shownBranch, canAct);
  }

  edit() {
    if (this.pen.hidden || this.pen.disabled || this.editor) return;
    const field = el("textarea", { class: "edit-field", dir: "auto", rows: "2", "aria-label": t("Edit message") });
    field.value = this.draft ?? this.message.content;
    const close = () => {
      this.editor.remove();
      this.editor = null;
      this.bubble.hidden = !hasWords(this.message);
      this.row.hidden = false;
      this.note.hidden = !this.isQueued;
      this.pen.focus({ preventScroll: true });
    };
    const cancel = () => {
      this.draft = undefined;
      close();
    };
    const save = () => {
      const text = field.value;
      if (!text.trim()) return field.focus();
      this.draft = text; // kept for another try, should the server refuse
      close();
      if (text === this.message.content) return;
      if (this.isQueued) this.context.actions.revise(this.message.turn, text);
      else this.context.actions.edit(this.message.turn, text);
    };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        cancel();
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        save();
      }
    });
    const row = el(
      "div",
      { class: "row end" },
      button({ class: "quiet", onclick: cancel }, "", t("Cancel")),
      button({ class: "primary", onclick: save }, "", this.isQueued ? t("Save") : t("Send")),
    );
    this.editor = el("div", { class: "editor" }, field, row);
    this.bubble.hidden = this.row.hidden = this.note.hidden = true;
    this.bubble.after(this.editor);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

const NO_REASON = /^Rejected$/; // the server's word where people gave none

/** What an answer says: with its reason where it says no, with the values that it gives. */
function answerText({ content, answer = {} }) {
  const given = Object.entries(answer.tool_args ?? {}).filter(
    ([, value]) => "approved" in answer || !isUnfilled(value),
  );
  const values = given.map(([name, value]) => `${name}: ${valueText(value)}`);
  if (values.length) return [...(answer.approved ? [t("Approved, changed to")] : []), ...values].join("\n");
  return answer.approved === false && !NO_REASON.test(content) ? t("Rejected: {reason}", { reason: content }) : content;
}

const isUnfilled = (value) => value === null || value === "" || (Array.isArray(value) && !value.length);
const isText = (value) => typeof value === "string";

function valueText(value) {
  if (Array.isArray(value) && value.every(isText)) return value.join(", ");
  return isText(value) ? value : jsonText(value);
}
