/** The field at the foot of the page: text, drafts, Send and Stop. It knows nothing of the socket. */
import { el, icon, setAttribute, setText } from "chat/dom.js";
import { figure } from "chat/format.js";

const isTouch = matchMedia("(pointer: coarse) and (hover: none)");
const draftKey = (conversation) => `chat.draft.${conversation || "new"}`;

export class Composer {
  /** @param {{send: (text: string) => void, stop: () => void, editLast: () => void, leaveAnswer: () => void}} actions */
  constructor(root, actions, maxChars) {
    this.root = root;
    this.actions = actions;
    this.maxChars = maxChars;
    this.field = root.querySelector("#field");
    this.sendButton = root.querySelector("#send");
    this.stopButton = root.querySelector("#stop");
    this.note = root.querySelector("#note");
    this.answering = root.querySelector("#answering");
    this.conversation = "";
    root.hidden = false;
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    root.addEventListener("click", ({ target }) => target === root && this.field.focus());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("input", () => this.#changed());
    this.stopButton.addEventListener("click", () => actions.stop());
    this.sendButton.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    setAttribute(this.field, "enterkeyhint", isTouch.matches ? "enter" : "send");
    this.#changed({ keepDraft: true });
  }

  /** Show the draft of another conversation. @param {string[]} sent  texts on their way, which are no drafts any more */
  open(conversation, sent = []) {
    this.conversation = conversation;
    const draft = localStorage.getItem(draftKey(conversation)) ?? "";
    this.setText(sent.includes(draft) ? "" : draft);
  }

  /** The server has what was sent: from now on only what is in the field is a draft. */
  accepted(conversation) {
    if (conversation !== this.conversation) localStorage.removeItem(draftKey(this.conversation));
    this.conversation = conversation;
    this.saveDraft();
  }

  setText(text) {
    this.field.value = text;
    this.#changed();
  }

  focus() {
    this.field.focus();
  }

  saveDraft() {
    const key = draftKey(this.conversation);
    if (this.field.value) localStorage.setItem(key, this.field.value);
    else localStorage.removeItem(key);
  }

  /** @param {{agent: string, status: string, question: object|null, isClosed: boolean}} look */
  update({ agent, status, question, isClosed }) {
    const isAnswer = question !== null;
    const isStopping = status === "stopping";
    const prompt = isAnswer ? `Answer ${question.agent || agent}…` : agent ? `Message ${agent}…` : "Message…";
    if (this.field.placeholder !== prompt) this.field.placeholder = prompt;
    setAttribute(this.field, "aria-label", prompt.replace("…", ""));
    this.field.disabled = isClosed;
    this.isClosed = isClosed;
    this.stopButton.hidden = status === "idle";
    this.stopButton.disabled = isStopping;
    setText(this.stopButton.querySelector("span"), isStopping ? "Stopping…" : "Stop");
    this.isStoppable = status === "running" || status === "waiting";
    setAttribute(this.root, "data-answer", isAnswer);
    this.answering.hidden = !isAnswer;
    if (isAnswer && !this.answering.childElementCount)
      this.answering.append(
        icon("question"),
        el(
          "span",
          {},
          isTouch.matches
            ? "Your text answers the question above."
            : "Your text answers the question above. Esc leaves.",
        ),
      );
    this.#enable();
  }

  #key(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work: its Enter ends a word
    if (
      event.key === "Enter" &&
      !event.shiftKey &&
      !event.altKey &&
      (!isTouch.matches || event.ctrlKey || event.metaKey)
    ) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && !this.field.value && !event.altKey) {
      event.preventDefault();
      this.actions.editLast();
    }
  }

  #send() {
    if (this.sendButton.disabled) return;
    const text = this.field.value;
    this.field.value = "";
    this.#changed({ keepDraft: true });
    this.actions.send(text);
  }

  #changed({ keepDraft = false } = {}) {
    if (!CSS.supports("field-sizing", "content")) this.#grow();
    if (!keepDraft) this.saveDraft();
    const length = this.#length();
    const isLong = length > this.maxChars * 0.8;
    setText(this.note, isLong ? `${figure(length)} / ${figure(this.maxChars)}` : "");
    setAttribute(this.note, "data-over", length > this.maxChars);
    this.#enable();
  }

  /** In code points, as the server counts; the exact count only where it matters. */
  #length() {
    const { value } = this.field;
    return value.length <= this.maxChars ? value.length : Array.from(value).length;
  }

  #enable() {
    this.sendButton.disabled = this.isClosed || !this.field.value.trim() || this.#length() > this.maxChars;
  }

  #grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }
}
