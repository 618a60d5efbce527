/** How much of something the agent's entry lets the page show (`SHOW`): "full", "names" or "nothing". */
import { el } from "chat/dom.js";
import { t } from "chat/words.js";

/** @param {object} context  of a component (`turns.js`) @param {"reasoning"|"tools"|"sub_agents"} part */
export function showOf({ state, byKey }, part) {
  return byKey.get(state.conversation.agent?.key)?.show?.[part] ?? "full";
}

/** What stands in a fold whose contents are not shown. */
export const notShown = () => el("p", { class: "card-note" }, t("The details are not shown here."));
