/**
 * Keeps the end of the transcript in view while the reader is there, and leaves the reader alone who is not.
 * Following hangs on the size of the column (ResizeObserver), not on each change of it.
 */
const NEAR_END_PX = 48;

export class Follower {
  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} column  its content
   * @param {HTMLElement} turns  what has an end worth following; the empty page has none
   * @param {(isFollowing: boolean) => void} onChange
   */
  constructor(scroller, column, turns, onChange) {
    this.scroller = scroller;
    this.turns = turns;
    this.onChange = onChange;
    this.isFollowing = true;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.#resized());
    observer.observe(column);
    observer.observe(scroller);
  }

  toEnd({ smooth = false } = {}) {
    this.#set(true);
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const top = this.turns.childElementCount ? this.scroller.scrollHeight : 0;
    this.scroller.scrollTo({ top, behavior: smooth && !isCalm ? "smooth" : "instant" });
  }

  /**
   * Run `change`, which adds something above, and keep what the reader sees where it is.
   * @param {HTMLElement|null} anchor  an element that stays
   */
  keep(anchor, change) {
    const before = anchor?.getBoundingClientRect().top ?? 0;
    this.#set(false);
    change();
    if (anchor?.isConnected) this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    if (this.#distance <= NEAR_END_PX) this.#set(true);
  }

  get #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** A scroll up is the reader's will; one that ends near the end is the wish to follow. */
  #scrolled() {
    const { scrollTop } = this.scroller;
    const isUp = scrollTop < (this.top ?? 0) - 1;
    this.top = scrollTop;
    if (this.#distance <= NEAR_END_PX) this.#set(true);
    else if (isUp || !this.isFollowing) this.#set(false);
  }

  #resized() {
    if (!this.turns.childElementCount) return;
    if (this.isFollowing && !this.#isSelecting()) this.scroller.scrollTop = this.scroller.scrollHeight;
    else if (this.#distance <= NEAR_END_PX) this.#set(true);
  }

  /** Text that is being selected must not run away. */
  #isSelecting() {
    const selection = getSelection();
    return Boolean(selection && !selection.isCollapsed && this.scroller.contains(selection.anchorNode));
  }

  #set(isFollowing) {
    if (isFollowing === this.isFollowing) return;
    this.isFollowing = isFollowing;
    this.onChange(isFollowing);
  }
}
