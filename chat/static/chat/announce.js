/**
 * Tells a screen reader what sighted readers see happen. The transcript itself is not a live region: it would be read
 * with every change. Here are the few sentences that matter.
 */
import { setText } from "chat/dom.js";

export class Announcer {
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
}

/** @returns {number} words, roughly, in any script */
export function countWords(text) {
  if (!globalThis.Intl?.Segmenter) return text.split(/\s+/).filter(Boolean).length;
  const segments = new Intl.Segmenter(undefined, { granularity: "word" }).segment(text.slice(0, 50_000));
  return Array.from(segments).filter(({ isWordLike }) => isWordLike).length;
}
