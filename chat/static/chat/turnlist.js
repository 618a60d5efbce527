/**
 * The turns on the page, and below them what the server has not accepted yet. While an answer is written only the turns
 * are looked at in which something happens: a frame costs the same in a long conversation.
 */
import { KeyedList } from "chat/dom.js";
import { isBusy, isInCard, shownLog } from "chat/state.js";
import { greetingOf, pathOf, turnOf } from "chat/transcript.js";
import { PendingView, TurnView } from "chat/turns.js";

export class TurnList {
  /** @param {Element} root */
  constructor(root) {
    this.views = new KeyedList(root, ({ kind }) => (kind === "pending" ? new PendingView() : new TurnView()));
    this.shape = [];
    this.items = new Map(); // what each turn was last shown with
    this.live = {}; // the log of each turn in which something happened, as last shown
  }

  /** @param {import("chat/turns.js").Context} context */
  update(context) {
    const { state } = context;
    const log = shownLog(state);
    const shape = shapeOf(state, context);
    if (isSameShape(shape, this.shape)) this.#updateLive(log, context);
    else this.#updateAll(log, context);
    this.shape = shape;
    this.live = log.live;
  }

  editLast() {
    if (this.last) this.views.get(this.last)?.editUser();
  }

  #updateAll(log, context) {
    const items = turnItemsOf(log, context.state);
    const waiting = pendingItemsOf(context.state);
    this.items = new Map(items.map((item) => [item.key, item]));
    this.current = items.find(({ isWorking, request }) => isWorking || request)?.key;
    this.last = pathOf(log).at(-1)?.id ?? null;
    this.views.update([...items, ...waiting], context);
  }

  #updateLive(log, context) {
    const hasChanged = (id) => log.live[id] !== this.live[id] || id === this.current; // the current one has clocks
    for (const id of new Set([...Object.keys(log.live), this.current])) {
      const item = this.items.get(id);
      if (!item || !hasChanged(id)) continue;
      item.turn = turnOf(log, item.turn);
      this.views.get(id).update(item, context);
    }
  }
}

/** Everything but the turns' contents that decides what stands there. */
function shapeOf(state, { canAct }) {
  const { status, ask, pending, own, link, replayed, idleSeq, feedback, progress } = state;
  const log = shownLog(state);
  const { queued, agent } = status;
  const contents = [pathOf(log), greetingOf(log), log.turns, pending];
  return [
    ...contents,
    status.state,
    status.turn,
    queued,
    agent,
    ask,
    own,
    link.phase,
    replayed,
    idleSeq,
    canAct,
    feedback,
    progress?.turn,
  ];
}

const isSameShape = (a, b) => a.length === b.length && a.every((value, at) => Object.is(value, b[at]));

/** @returns {import("chat/turns.js").TurnItem[]} with `kind` and `key` */
function turnItemsOf(log, state) {
  const { status, ask, own, link } = state;
  const steps = [greetingOf(log), ...pathOf(log)].filter(Boolean);
  const working = status.turn ?? state.progress?.turn; // an agent that is made has no turn yet
  const isShown = steps.some(({ id }) => id === working);
  const waits = new Set(status.queued);
  const current = isShown ? working : steps.findLast(({ id }) => !waits.has(id))?.id;
  const busy = isBusy(state) && link.phase !== "closed";
  const hasPending = shownPending(state).length > 0;
  return steps.map((step, at) => ({
    kind: "turn",
    key: step.id,
    turn: turnOf(log, step),
    isLast: at === steps.length - 1 && !hasPending,
    isWorking: busy && step.id === current && step.user !== null,
    isLive: Boolean(own[step.user?.client_id] || own[step.id]),
    request: ask && step.id === current ? ask : null,
  }));
}

/** What waits and has a text to show. */
export const shownPending = (state) =>
  state.pending.filter(({ frame, files }) => (frame.content || files?.length) && !isInCard(state, frame));

function pendingItemsOf(state) {
  const shown = shownPending(state);
  return shown.map((item, at) => ({
    kind: "pending",
    key: item.id,
    pending: item,
    isLast: at === shown.length - 1,
    isLive: Boolean(state.own[item.id]),
  }));
}
