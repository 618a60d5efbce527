/** Copying to the clipboard, and the button that says so. */
import { el, setAttribute, setIcon, setText } from "chat/dom.js";
import { t } from "chat/words.js";

const COPIED_MS = 2_000;

/** @returns {Promise<boolean>} whether the text is on the clipboard */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text); // a page without TLS has no navigator.clipboard
  }
}

function copyTheOldWay(text) {
  const focused = document.activeElement;
  const area = el("textarea", { class: "hidden", readonly: true, "aria-hidden": "true" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus?.({ preventScroll: true });
  return copied;
}

/** Let the button that was pressed say "Copied" for a while. @param {Element} control */
export function showCopied(control) {
  const symbol = control.querySelector("use")?.getAttribute("href").replace("#icon-", "");
  const text = control.querySelector("span");
  const label = text?.textContent;
  if (control.dataset.uiCopied) return;
  setAttribute(control, "data-ui-copied", "true");
  setIcon(control, "check");
  if (text) setText(text, t("Copied"));
  setTimeout(() => {
    control.removeAttribute("data-ui-copied");
    setIcon(control, symbol);
    if (text) setText(text, label);
  }, COPIED_MS);
}
