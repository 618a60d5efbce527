/**
 * One conversation's socket: opens it, opens it again when it breaks, acknowledges, and notices silence.
 * It knows nothing of what the frames mean, but for `bye` (when to come back).
 */
import { FINAL_CODES, socketUrl } from "chat/protocol.js";

const ACK_FRAMES = 8;
const ACK_CHARS = 16_000; // at most 64 KiB of UTF-8, whatever the characters
const QUIET_MS = 8_000; // after so long without a frame the server is asked whether it is there
const PONG_MS = 7_000; // so a dead socket is noticed 15 s after its last frame
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
const STEADY_MS = 5_000; // a socket that lived so long was a good one: the next failure starts from the first delay
const OPENING_MS = 20_000; // a network that swallows packets never refuses

/**
 * Full jitter: any moment up to the doubled limit, so that the pages of a restarted server do not all return at once.
 * @param {number} attempt  0 for the first
 * @returns {number} milliseconds
 */
export function backoff(attempt, random = Math.random) {
  return random() * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 16));
}

export class Connection {
  /**
   * @param {object} options
   * @param {() => import("chat/protocol.js").Target} options.target  asked at each attempt
   * @param {() => Promise<object>} [options.introduce]  what a new socket is sent first of all
   * @param {(frame: object) => void} options.onFrame
   * @param {(link: {phase: "connecting"|"waiting"|"closed", retryAt?: number, code?: number, unopened?: number}) => void} options.onLink
   */
  constructor({ target, introduce, onFrame, onLink }) {
    this.target = target;
    this.introduce = introduce;
    this.onFrame = onFrame;
    this.onLink = onLink;
    this.socket = null;
    this.attempt = 0;
    this.unopened = 0; // sockets in a row that did not even open
    this.byeMs = null;
    addEventListener("online", () => this.retryNow());
    addEventListener("offline", () => this.socket && this.#ping());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#wake());
  }

  /** Connect, leaving any socket there is. */
  open() {
    this.#leave();
    const socket = new WebSocket(socketUrl(this.target()));
    this.socket = socket;
    this.frames = this.acked = this.chars = 0;
    this.openedAt = null;
    this.onLink({ phase: "connecting" });
    this.silence = setTimeout(() => this.#lost(socket, 1006), OPENING_MS);
    socket.onopen = () => {
      this.openedAt = Date.now();
      this.unopened = 0;
      this.#heard();
      this.introduce?.().then((frame) => socket === this.socket && this.send(frame));
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#lost(socket, code);
  }

  /** Leave for good; `open` starts anew. */
  close() {
    this.#leave();
    this.attempt = 0;
  }

  /** Connect at once if the page is waiting to. */
  retryNow() {
    if (!this.retry) return;
    this.attempt = 0;
    this.open();
  }

  /** @returns {boolean} whether the frame left; it may still be lost on the way */
  send(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  #receive(data) {
    this.#heard();
    this.frames += 1;
    this.chars += data.length;
    const frame = JSON.parse(data);
    if (frame.type === "bye") this.byeMs = frame.retry_ms ?? null;
    this.onFrame(frame);
    if (this.frames - this.acked < ACK_FRAMES && this.chars < ACK_CHARS) return;
    this.acked = this.frames;
    this.chars = 0;
    this.send({ type: "ack", frames: this.frames });
  }

  #heard() {
    clearTimeout(this.silence);
    this.isAsked = false;
    this.silence = setTimeout(() => this.#ping(), QUIET_MS);
  }

  #ping() {
    if (this.isAsked || !this.send({ type: "ping" })) return;
    this.isAsked = true;
    clearTimeout(this.silence);
    const { socket } = this;
    this.silence = setTimeout(() => this.#lost(socket, 1006), PONG_MS);
  }

  /** A laptop that was asleep may hold a dead socket, or wait for a moment long past. */
  #wake() {
    if (this.retry) this.retryNow();
    else this.#ping();
  }

  #lost(socket, code) {
    if (socket !== this.socket) return;
    if (!this.openedAt) this.unopened += 1;
    const steady = this.openedAt && Date.now() - this.openedAt > STEADY_MS;
    this.#leave();
    if (FINAL_CODES.has(code)) return this.onLink({ phase: "closed", code });
    if (steady) this.attempt = 0;
    const delay = this.byeMs === null ? backoff(this.attempt) : this.byeMs * (1 + Math.random() / 2);
    this.attempt += 1;
    this.byeMs = null;
    this.retry = setTimeout(() => this.open(), delay);
    this.onLink({ phase: "waiting", retryAt: Date.now() + delay, code, unopened: this.unopened });
  }

  #leave() {
    clearTimeout(this.retry);
    clearTimeout(this.silence);
    this.retry = null;
    const { socket } = this;
    this.socket = null;
    socket?.close();
  }
}
