/** What stands there before the first message: the agent's greeting, the choice of an agent, starters. */
import { button, el, icon } from "chat/dom.js";
import { avatar } from "chat/folds.js";
import { FORBIDDEN, NOT_FOUND } from "chat/protocol.js";

const find = (id) => document.getElementById(id);

export class Welcome {
  /** @param {object[]} agents  as the template gives them @param {object} actions */
  constructor(agents, actions) {
    Object.assign(this, { agents, actions });
    this.byKey = new Map(agents.map((agent) => [agent.key, agent]));
    this.root = find("empty");
  }

  /** The page before the first message; a grey outline while a stored conversation is on its way. */
  update({ conversation, link, replayed, newAgent }, { isEmpty, hasGreeting }) {
    const isMissing = link.phase === "closed" && [NOT_FOUND, FORBIDDEN].includes(link.code);
    const isLoading = conversation.stored && !replayed && link.phase !== "closed" && isEmpty;
    const isNew = isEmpty && !isLoading && !isMissing;
    const agent = this.byKey.get(conversation.agent?.key ?? newAgent) ?? this.agents[0];
    const canPick = isNew && !conversation.stored && this.agents.length > 1;
    const greets = isNew && !hasGreeting;
    const key = isMissing ? "missing" : isLoading ? "loading" : greets ? `agent ${agent?.key} ${canPick}` : "";
    this.root.hidden = !key;
    find("turns").hidden = isMissing; // deleted in another window: nothing of it stays here
    if (key !== this.key) {
      this.key = key;
      const made = { missing: () => missing(this.actions), loading: skeleton, "": () => [] }[key];
      this.root.replaceChildren(...(made ?? (() => this.#greet(agent, canPick)))());
    }
    this.#starters(isNew ? agent : null);
    find("empty-foot").hidden = !isNew; // what the project has to say there
  }

  #greet(agent, canPick) {
    if (!agent) return [el("h2", {}, "What can I do for you?")];
    const greeting = agent.greeting || "What can I do for you?";
    const text = agent.greeting ? "" : agent.description;
    return [
      avatar(agent.name, { image: agent.avatar, size: "large" }),
      el("h2", { dir: "auto" }, greeting),
      text && !canPick ? el("p", { dir: "auto" }, text) : null,
      canPick ? this.#picker(agent) : null,
    ].filter(Boolean);
  }

  #picker(current) {
    const choose = ({ target }) => this.actions.chooseAgent(target.value);
    const option = (agent) =>
      el(
        "label",
        { class: "agent-card" },
        el("input", { type: "radio", name: "agent", value: agent.key, checked: agent === current }),
        avatar(agent.name, { image: agent.avatar, size: "small" }),
        el(
          "span",
          { class: "agent-text" },
          el("b", { dir: "auto" }, agent.name),
          el("span", { dir: "auto" }, agent.description),
        ),
      );
    return el(
      "fieldset",
      { class: "agent-picker", onchange: choose },
      el("legend", { class: "hidden" }, "Agent"),
      ...this.agents.map(option),
    );
  }

  #starters(agent) {
    const root = find("starters");
    const starters = agent?.starters ?? [];
    root.hidden = !starters.length;
    if (agent === this.startersOf) return;
    this.startersOf = agent;
    root.replaceChildren(
      ...starters.map((text) =>
        button({ class: "starter", dir: "auto", onclick: () => this.actions.useStarter(text) }, "", text),
      ),
    );
  }
}

function missing(actions) {
  return [
    icon("question"),
    el("h2", {}, "This conversation is not here"),
    el("p", {}, "It was deleted, or it belongs to someone else."),
    button({ class: "primary", onclick: () => actions.openNew() }, "compose", "New chat"),
  ];
}

function skeleton() {
  const line = (width) => el("span", { class: `bone ${width}` });
  return [
    el(
      "div",
      { class: "skeleton", role: "img", "aria-label": "Loading the conversation" },
      line("end"),
      line("long"),
      line("long"),
      line("short"),
    ),
  ];
}
