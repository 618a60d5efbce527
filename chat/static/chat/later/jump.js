/** Going to one message, wherever it is: in another conversation, far above, in a version that was left. */
import { dialogs } from "chat/registries.js";
import { shownLog } from "chat/state.js";
import { newestTipOf } from "chat/transcript.js";

const SHOWN_MS = 2_500; // how long the message is marked
const PAGE = 200; // records that are loaded at once on the way up

const isThere = (state, id) => state.conversation.id === id && state.replayed && state.link.phase === "open";

class Jump {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor(page) {
    this.page = page;
    this.waits = []; // {when, then}: until the state is so
    page.store.subscribe(({ state }) => this.#look(state));
  }

  /** @param {string} conversation  its id @param {number} seq  of the message's record */
  async to(conversation, seq) {
    const { store, conversations, actions } = this.page;
    this.waits = [];
    if (store.state.conversation.id !== conversation) conversations.go(conversation);
    await this.#until((state) => isThere(state, conversation));
    while (store.state.log.oldest > seq && store.state.log.earlier)
      if (!(await conversations.loadEarlier({ limit: PAGE }))) return;
    if (!this.#show(seq)) {
      const tip = newestTipOf(shownLog(store.state), seq);
      if (!tip || !actions.branch(tip)) return;
      await this.#until(({ log }) => log.head === tip);
      this.#show(seq);
    }
  }

  /** @returns {boolean} whether it stands on the page */
  #show(seq) {
    this.page.draw();
    const place = document.querySelector(`#turns [data-seq="${seq}"]`);
    if (!place) return false;
    for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    this.page.follower.keep(null, () => place.scrollIntoView({ block: "center" }));
    place.closest("article").focus({ preventScroll: true });
    place.dataset.found = "";
    setTimeout(() => delete place.dataset.found, SHOWN_MS);
    return true;
  }

  #until(when) {
    return new Promise((then) => {
      this.waits.push({ when, then });
      this.#look(this.page.store.state);
    });
  }

  #look(state) {
    const done = this.waits.filter(({ when }) => when(state));
    this.waits = this.waits.filter((wait) => !done.includes(wait));
    for (const { then } of done) then();
  }
}

dialogs.register("jump", Jump);
