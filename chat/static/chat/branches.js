/** The switch between the versions of a turn: "‹ 2 / 3 ›". */
import { el, iconButton, setText } from "chat/dom.js";
import { t } from "chat/words.js";

/** @param {(turn: string) => void} go */
export function branchSwitch(go) {
  let branch = null;
  const previous = iconButton(t("Previous version"), "left", { onclick: () => go(branch.previous) });
  const next = iconButton(t("Next version"), "right", { onclick: () => go(branch.next) });
  const text = el("bdi", { class: "figures", dir: "ltr" });
  const root = el(
    "span",
    { class: "branch", role: "group", "aria-label": t("Versions"), hidden: true },
    previous,
    text,
    next,
  );
  return {
    root,
    update(value, canAct) {
      branch = value;
      if (root.hidden !== !branch) root.hidden = !branch;
      if (!branch) return;
      setText(text, `${branch.index} / ${branch.count}`);
      previous.disabled = !canAct || !branch.previous;
      next.disabled = !canAct || !branch.next;
    },
  };
}
