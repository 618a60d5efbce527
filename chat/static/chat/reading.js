/** Reading answers aloud by the browser's own voices. Nothing where it has none. */
import { iconButton, setAttribute, setIcon } from "chat/dom.js";
import { t } from "chat/words.js";

const speech = globalThis.speechSynthesis;
const readers = new Set(); // the buttons on the page
const hasVoices = () => Boolean(speech?.getVoices().length);
let current = null; // the button whose text is read

speech?.addEventListener?.("voiceschanged", () => readers.forEach((button) => (button.hidden = !hasVoices())));
globalThis.addEventListener?.("pagehide", () => speech?.cancel());

/** @param {() => Element|null} textOf  what is read */
export function readAloudButton(textOf) {
  const button = iconButton(t("Read aloud"), "speaker", { "aria-pressed": "false", hidden: !hasVoices() });
  button.addEventListener("click", () => (current === button ? endReading() : beginReading(button, textOf())));
  readers.add(button);
  return button;
}

/** As it is read: code and formulas are for the eye. */
function wordsOf(element) {
  const copy = element.cloneNode(true);
  for (const each of copy.querySelectorAll("figure, math, code.math, button, .fold")) each.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
}

function beginReading(button, element) {
  endReading();
  const words = element ? wordsOf(element) : "";
  if (!words) return;
  const utterance = new SpeechSynthesisUtterance(words);
  utterance.lang = element.closest("[lang]")?.lang ?? "";
  utterance.onend = utterance.onerror = () => current === button && showReading(null);
  showReading(button);
  speech.speak(utterance);
}

function endReading() {
  if (!current) return;
  showReading(null);
  speech.cancel();
}

function showReading(button) {
  for (const [each, isOn] of [
    [current, false],
    [button, true],
  ]) {
    if (!each) continue;
    setAttribute(each, "aria-pressed", String(isOn));
    setIcon(each, isOn ? "stop" : "speaker");
  }
  current = button;
}
