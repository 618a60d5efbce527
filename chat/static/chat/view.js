/** The page, drawn from the state. */
import { Banner, Bar } from "chat/bar.js";
import { byId, setAttribute, setText } from "chat/dom.js";
import { counted } from "chat/format.js";
import { FORBIDDEN, NOT_FOUND } from "chat/protocol.js";
import { isBusy, questionOf, shownLog } from "chat/state.js";
import { greetingOf, pathOf } from "chat/transcript.js";
import { TurnList, shownPending } from "chat/turnlist.js";
import { Welcome } from "chat/welcome.js";
import { t } from "chat/words.js";

const NONE = []; // always the same

export class View {
  /**
   * @param {object} options
   * @param {object[]} options.agents  as the template gives them
   * @param {object} options.actions  what buttons do (actions.js)
   * @param {{site: string, isEmbedded: boolean, signIn: string}} options.config
   * @param {import("chat/composer.js").Composer} options.composer
   */
  constructor({ agents, actions, config, composer }) {
    Object.assign(this, { actions, composer });
    this.byName = new Map(agents.map((agent) => [agent.name, agent]));
    this.byKey = new Map(agents.map((agent) => [agent.key, agent]));
    this.turns = new TurnList(byId("turns"));
    this.bar = new Bar(config);
    this.banner = new Banner(actions, config);
    this.trace = null; // the panel, once it has been opened
    this.welcome = new Welcome(agents, actions);
  }

  /** @param {import("chat/state.js").State} state @param {number} now  milliseconds */
  render(state, now) {
    const { link, status, conversation } = state;
    const log = shownLog(state);
    const isOpen = link.phase === "open";
    const isEmpty = pathOf(log).length + shownPending(state).length === 0;
    const agent = conversation.agent?.name || this.byKey.get(state.newAgent)?.name || "";
    const spec = this.byKey.get(conversation.agent?.key ?? state.newAgent);
    const canAct = isOpen && !isBusy(state);
    this.turns.update({ state, actions: this.actions, now, agents: this.#styled(spec), byKey: this.byKey, canAct });
    this.trace?.update(state, now);
    this.bar.update(state, { now, agent, isEmpty });
    this.banner.update(state, now);
    this.welcome.update(state, { isEmpty, hasGreeting: greetingOf(log) !== null });
    setAttribute(byId("app"), "data-away", !isOpen);
    this.#latest(state);
    byId("earlier").hidden = !log.earlier || !isOpen;
    setAttribute(byId("earlier"), "aria-busy", state.loadingEarlier || null);
    this.composer.update({
      agent,
      status: isOpen ? status.state : "idle",
      question: questionOf(state),
      isTemporary: conversation.temporary,
      allowed: conversation.allowed,
      suggestions: conversation.suggestions,
      commands: spec?.commands ?? NONE,
      hasSettings: Boolean(spec?.has_settings && conversation.agent),
      isClosed: [NOT_FOUND, FORBIDDEN].includes(link.code),
    });
  }

  /** The agents by their names, with the sub-agents that the entry of this one gives a look. */
  #styled(spec) {
    if (spec !== this.styledFor) {
      this.styledFor = spec;
      this.styled = new Map([...this.byName, ...Object.entries(spec?.styles ?? {})]);
    }
    return this.styled ?? this.byName;
  }

  /** The way back to the end, with what has come there meanwhile. */
  #latest({ follows, unseen }) {
    const button = byId("latest");
    button.hidden = follows;
    setText(button.querySelector("span"), unseen ? counted(unseen, "{n} new answer", "{n} new answers") : t("Latest"));
  }
}
