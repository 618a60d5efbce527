/** The text of one answer: its reasoning, its blocks, how it ended, what it cites. */
import { button, el, icon, setAttribute, setText } from "chat/dom.js";
import { linked } from "chat/files.js";
import { Cut, Fold, isLong } from "chat/folds.js";
import { duration } from "chat/format.js";
import { Blocks } from "chat/html.js";
import { parts } from "chat/registries.js";
import { nameMarks, sourceList } from "chat/sources.js";
import { showOf } from "chat/disclosure.js";
import { t } from "chat/words.js";

const ENDINGS = {
  stopped: ["stop", t("Stopped")],
  interrupted: ["alert", t("Interrupted: the server ended while this was written")],
  length: ["alert", t("Cut off: the model reached its length limit")],
  filtered: ["alert", t("Cut off: the model's content filter stopped it")],
  cut: ["alert", t("Cut off: the connection to the model broke")],
};

class TextPart {
  constructor() {
    this.prose = el("div", { class: "prose", dir: "auto" });
    this.isPlain = false;
    this.blocks = new Blocks(this.prose);
    this.cut = new Cut(this.prose);
    this.root = el("div", { class: "part text" }, this.prose, this.cut.button);
  }

  /** What somebody saw being written, and what stands last, is shown whole. */
  update({ message, isLast }, context) {
    this.isFollowed ||= message.writing;
    this.cut.suggest(!isLast && !this.isFollowed && isLong(message.content));
    if (message === this.message) return;
    this.message = message;
    this.#reasoning(message, context);
    this.#text(message);
    setAttribute(this.root, "data-seq", message.seq);
    setAttribute(this.root, "data-writing", message.writing);
    this.#ending(message, context);
  }

  #text({ blocks, content, truncated }) {
    const isPlain = !blocks.length && Boolean(content);
    if (isPlain !== this.isPlain) this.prose.textContent = "";
    this.isPlain = isPlain;
    setAttribute(this.prose, "data-plain", isPlain);
    this.prose.hidden = !blocks.length && !content;
    if (isPlain) setText(this.prose, content);
    else this.blocks.update(blocks);
    if (truncated && this.message.url) this.#whole(this.message.url);
  }

  #whole(url) {
    this.link ??= this.root.appendChild(
      el(
        "p",
        { class: "ending" },
        linked(el("a", {}, t("This answer is too long for the page. Open all of its text")), url, "answer.txt"),
      ),
    );
  }

  #reasoning({ reasoning, writing, content, blocks, thinkingMs }, context) {
    const how = showOf(context, "reasoning");
    if (!reasoning || how === "nothing") return;
    if (!this.thought) {
      this.thoughtTitle = el("span");
      this.thought = new Fold("thought", icon("thought"), this.thoughtTitle);
      this.thoughtText = this.thought.body.appendChild(
        el("div", { class: "thought-text", dir: "auto", tabindex: "0" }),
      );
      this.root.prepend(this.thought.root);
    }
    const isThinking = writing && !content && !blocks.length;
    setText(
      this.thoughtTitle,
      isThinking
        ? t("Thinking…")
        : thinkingMs
          ? t("Thought for {time}", { time: duration(thinkingMs) })
          : t("Reasoning"),
    );
    setAttribute(this.thought.root, "data-live", isThinking);
    setText(this.thoughtText, how === "full" ? reasoning : t("The details are not shown here."));
  }

  #ending({ status, finish_reason, error, writing, sources }, context) {
    this.foot?.remove();
    const key = status === "complete" ? finish_reason : status;
    const ending = !writing && !error && ENDINGS[key];
    const mark = ending && el("p", { class: "ending" }, icon(ending[0]), ending[1]);
    const failure = !writing && error && failureCard(error, this.message, context.actions);
    const origin = !writing && sources?.length && sourceList(sources);
    if (!mark && !failure && !origin) return;
    if (origin) nameMarks(this.prose, sources);
    this.foot = el("div", { class: "text-foot" }, origin || null, mark || null, failure || null);
    this.root.append(this.foot);
  }
}

/** An error in the answer's place: what happened, and what can be done. */
function failureCard(error, { turn }, actions) {
  const codes = [error.code, error.incident && t("incident {id}", { id: error.incident })].filter(Boolean).join(" · ");
  return el(
    "div",
    { class: "failure" },
    icon("alert"),
    el(
      "div",
      { class: "failure-body" },
      el("p", { dir: "auto" }, error.details ? t(error.details) : t("Something went wrong on the server.")),
      el("p", { class: "failure-code" }, el("bdi", {}, codes)),
      error.cause && el("pre", { class: "plain error", dir: "ltr", tabindex: "0" }, error.cause),
      el(
        "div",
        { class: "row" },
        turn && button({ class: "quiet", onclick: () => actions.regenerate(turn) }, "again", t("Retry")),
        button(
          { class: "quiet", onclick: ({ currentTarget }) => actions.copy(`${error.details}\n${codes}`, currentTarget) },
          "copy",
          t("Copy details"),
        ),
      ),
    ),
  );
}

parts.register("text", TextPart);
