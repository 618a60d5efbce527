/** What stands there before the first message: the agent's greeting, the choice of an agent, starters. */
import { button, byId, el, icon } from "chat/dom.js";
import { avatar } from "chat/folds.js";
import { Picker } from "chat/picker.js";
import { FORBIDDEN, NOT_FOUND } from "chat/protocol.js";
import { t } from "chat/words.js";

export class Welcome {
  /** @param {object[]} agents  as the template gives them @param {object} actions */
  constructor(agents, actions) {
    Object.assign(this, { agents, actions });
    this.byKey = new Map(agents.map((agent) => [agent.key, agent]));
    this.root = byId("empty");
    this.greeting = el("div", { class: "greeting" });
    this.picker = new Picker(agents, {
      choose: (key) => actions.chooseAgent(key),
      done: () => actions.focusField(),
    });
  }

  /** The page before the first message; a grey outline while a stored conversation is on its way. */
  update({ conversation, link, replayed, newAgent }, { isEmpty, hasGreeting }) {
    const isMissing = link.phase === "closed" && [NOT_FOUND, FORBIDDEN].includes(link.code);
    const isLoading = conversation.stored && !replayed && link.phase !== "closed" && isEmpty;
    const isNew = isEmpty && !isLoading && !isMissing;
    const agent = this.byKey.get(conversation.agent?.key ?? newAgent) ?? this.agents[0];
    const canPick = isNew && !conversation.stored && this.agents.length > 1;
    const greets = isNew && !hasGreeting;
    const key = isMissing ? "missing" : isLoading ? "loading" : greets ? `greeting ${canPick}` : "";
    this.root.hidden = !key;
    byId("turns").hidden = isMissing; // deleted in another window: nothing of it stays here
    if (key !== this.key) {
      this.key = key;
      const made = { missing: () => missing(this.actions), loading: skeleton, "": () => [] }[key];
      this.root.replaceChildren(...(made?.() ?? [this.greeting, ...(canPick ? [this.picker.root] : [])]));
    }
    if (greets) this.#greet(agent, canPick);
    this.#starters(isNew ? agent : null);
    byId("empty-foot").hidden = !isNew; // what the project has to say there
  }

  /** The picker stays as it is: focus and search are in it. */
  #greet(agent, canPick) {
    if (canPick) this.picker.update(agent);
    const key = `${agent?.key} ${canPick}`;
    if (key === this.greets) return;
    this.greets = key;
    if (!agent) return this.greeting.replaceChildren(el("h2", {}, t("What can I do for you?")));
    const greeting = agent.greeting || t("What can I do for you?");
    const text = agent.greeting ? "" : agent.description;
    this.greeting.replaceChildren(
      avatar(agent.name, { image: agent.avatar, size: "large" }),
      el("h2", { dir: "auto" }, greeting),
      ...(text && !canPick ? [el("p", { dir: "auto" }, text)] : []),
    );
  }

  #starters(agent) {
    const root = byId("starters");
    const starters = agent?.starters ?? [];
    root.hidden = !starters.length && !agent?.opens;
    if (agent === this.startersOf) return;
    this.startersOf = agent;
    const begin = t("Let {agent} begin", { agent: agent?.name ?? "" });
    root.replaceChildren(
      ...(agent?.opens ? [button({ class: "starter", onclick: () => this.actions.letOpen() }, "", begin)] : []),
      ...starters.map((text) =>
        button({ class: "starter", dir: "auto", onclick: () => this.actions.useStarter(text) }, "", text),
      ),
    );
  }
}

function missing(actions) {
  return [
    icon("question"),
    el("h2", {}, t("This conversation is not here")),
    el("p", {}, t("It was deleted, or it belongs to someone else.")),
    button({ class: "primary", onclick: () => actions.openNew() }, "compose", t("New chat")),
  ];
}

function skeleton() {
  const line = (width) => el("span", { class: `bone ${width}` });
  return [
    el(
      "div",
      { class: "skeleton", role: "img", "aria-label": t("Loading the conversation") },
      line("end"),
      line("long"),
      line("long"),
      line("short"),
    ),
  ];
}
