/** Keys that work anywhere on the page, and the list of them. */
import { byId } from "chat/dom.js";
import { keep, kept } from "chat/storage.js";

const SINGLE_KEYS = "chat.single-keys"; // localStorage: "off" where the user does not want them

const isTyping = ({ target }) => target.closest("input, textarea, select, [contenteditable]") !== null;
const isCovered = () => document.querySelector("dialog[open], [popover]:popover-open") !== null;

/** @param {{stop: () => void, leaveAnswer: () => boolean, openNew: () => void, search: () => void}} actions */
export function bindKeys(actions) {
  const dialog = byId("keys");
  const single = byId("single-keys");
  single.checked = kept("localStorage", SINGLE_KEYS) !== "off";
  single.addEventListener("change", () => keep("localStorage", SINGLE_KEYS, single.checked ? "on" : "off"));
  byId("keys-open").addEventListener("click", () => {
    byId("menu").hidePopover();
    dialog.showModal();
  });

  document.addEventListener("keydown", (event) => {
    // 229: an input method is at work. Safari ends a composition with an Escape that is told by this number alone.
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented || isCovered()) return;
    const { key, ctrlKey, metaKey, shiftKey, altKey } = event;
    if (key === "Escape") {
      if (!actions.leaveAnswer()) actions.stop();
    } else if ((ctrlKey || metaKey) && shiftKey && key.toLowerCase() === "o") {
      event.preventDefault();
      actions.openNew();
    } else if ((ctrlKey || metaKey) && !shiftKey && !altKey && key.toLowerCase() === "k") {
      event.preventDefault();
      actions.search();
    } else if (altKey && (key === "ArrowUp" || key === "ArrowDown")) {
      event.preventDefault();
      step(key === "ArrowUp" ? -1 : 1);
    } else if (key === "?" && single.checked && !isTyping(event)) {
      event.preventDefault();
      dialog.showModal();
    }
  });
}

/** Move the focus to the message before or after. */
function step(by) {
  const messages = Array.from(document.querySelectorAll("#turns article"));
  const at = messages.findIndex((message) => message.contains(document.activeElement));
  const next = at < 0 ? (by < 0 ? messages.length - 1 : -1) : at + by;
  if (next >= messages.length) return byId("field").focus();
  messages[Math.max(0, next)]?.focus();
}
