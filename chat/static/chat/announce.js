/**
 * Tells a screen reader what sighted readers see happen. The transcript itself is not a live region: it would be read
 * with every change. Here are the few sentences that matter.
 */
import { setText } from "chat/dom.js";
import { promptOf } from "chat/format.js";
import { turnLog } from "chat/log.js";
import { isBusy } from "chat/state.js";
import { t, tn } from "chat/words.js";

export class Announcer {
  /**
   * @param {Element} says  a region with role "status"
   * @param {Element} alerts  one with role "alert"
   */
  constructor(says, alerts) {
    this.says = says;
    this.alerts = alerts;
  }

  say(text) {
    setText(this.says, text);
  }

  /** An equal alert is one event more: empty the region first, or it is not read. */
  alert(text) {
    this.alerts.textContent = "";
    requestAnimationFrame(() => setText(this.alerts, text));
  }

  /**
   * Say what an event has changed.
   * @param {import("chat/state.js").State} before
   * @param {import("chat/state.js").State} state
   */
  follow(before, state, event) {
    const name = state.status.agent || state.conversation.agent?.name || t("The agent");
    const { ask } = state;
    if (event.type === "error") this.alert(t(event.details));
    if (ask && ask !== before.ask)
      this.alert(
        t("{name} asks: {question}", {
          name: ask.agent || name,
          question: promptOf(ask) || t("your approval is needed"),
        }),
      );
    if (event.type === "message" && event.message.error && state.replayed) this.alert(t(event.message.error.details));
    if (before.link.phase !== "open" || state.link.phase !== "open") return;
    if (isBusy(state) && !isBusy(before)) this.say(t("{name} is answering", { name }));
    if (!isBusy(state) && isBusy(before)) this.say(endOfAnswer(state.log, before.status.turn));
  }
}

function endOfAnswer(log, turn) {
  const messages = Object.values(turnLog(log, turn).messages);
  const answers = messages.filter(({ sender, depth }) => sender === "assistant" && !depth);
  if (answers.at(-1)?.status === "stopped") return t("Stopped");
  const words = answers.reduce((sum, { content }) => sum + countWords(content), 0);
  return words ? tn(words, "Answer ready, {n} word", "Answer ready, {n} words") : t("Ready");
}

/** @returns {number} words, roughly, in any script */
function countWords(text) {
  if (!globalThis.Intl?.Segmenter) return text.split(/\s+/).filter(Boolean).length;
  const segments = new Intl.Segmenter(undefined, { granularity: "word" }).segment(text.slice(0, 50_000));
  return Array.from(segments).filter(({ isWordLike }) => isWordLike).length;
}
