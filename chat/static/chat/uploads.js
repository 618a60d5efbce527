/** The files that go with the next message: sent to the server one by one as soon as they are chosen. */
import { ApiError } from "chat/api.js";
import { bytes, counted } from "chat/format.js";
import { t } from "chat/words.js";

/**
 * @typedef {object} Upload
 * @property {number} key
 * @property {string} name
 * @property {number} size
 * @property {boolean} isLarge  more than is taken: it is not sent
 * @property {string} preview  address of an image in this page, or ""
 * @property {"waiting"|"sending"|"done"|"failed"} state
 * @property {number} progress  from 0 to 1
 * @property {string} problem  with "failed"
 * @property {object} [attachment]  with "done": what the server says of it
 */

const isImage = ({ type }) => ["image/png", "image/jpeg", "image/gif", "image/webp"].includes(type);

export class Uploads {
  /** @param {import("chat/api.js").Api} api @param {{maxFiles: number, maxBytes: number}} limits @param {() => void} changed */
  constructor(api, limits, changed = () => {}) {
    this.api = api;
    this.limits = limits;
    this.changed = changed;
    /** @type {Upload[]} */
    this.items = [];
    this.keys = 0;
    this.problem = "";
    this.isSending = false;
  }

  get isBusy() {
    return this.items.some(({ state }) => state === "waiting" || state === "sending");
  }

  get done() {
    return this.items.filter(({ state }) => state === "done").map(({ attachment }) => attachment);
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const chosen = Array.from(files);
    const room = this.limits.maxFiles - this.items.length;
    this.problem =
      chosen.length > room
        ? t("A message takes {count} at most.", { count: counted(this.limits.maxFiles, "{n} file", "{n} files") })
        : "";
    for (const file of chosen.slice(0, Math.max(room, 0))) {
      const isLarge = file.size > this.limits.maxBytes;
      this.items.push({
        key: (this.keys += 1),
        file,
        name: file.name || "file",
        size: file.size,
        preview: isImage(file) && !isLarge ? URL.createObjectURL(file) : "",
        state: isLarge ? "failed" : "waiting",
        isLarge,
        progress: 0,
        problem: isLarge ? t("Larger than {size}", { size: bytes(this.limits.maxBytes) }) : "",
      });
    }
    this.changed();
    this.#next();
  }

  /** Send once more what has failed. */
  retry(key) {
    const item = this.items.find((each) => each.key === key);
    Object.assign(item, { state: "waiting", progress: 0, problem: "" });
    this.changed();
    this.#next();
  }

  /** Cancel what is on its way; what has come is deleted there. */
  remove(key) {
    const item = this.items.find((each) => each.key === key);
    if (!item) return;
    item.stop?.abort();
    if (item.attachment) this.api.takeBack(item.attachment.id).catch(() => {}); // else the server does in a day
    this.#forget(item);
    this.problem = "";
    this.changed();
  }

  /** @returns {object[]} what the server has, to be sent with a message; the list is empty then */
  take() {
    const taken = this.done;
    for (const item of this.items.slice()) this.#forget(item);
    this.changed();
    return taken;
  }

  clear() {
    for (const { key } of this.items.slice()) this.remove(key);
  }

  #forget(item) {
    if (item.preview) URL.revokeObjectURL(item.preview);
    this.items = this.items.filter((each) => each !== item);
  }

  async #next() {
    const item = this.items.find(({ state }) => state === "waiting");
    if (!item || this.isSending) return;
    this.isSending = true;
    item.state = "sending";
    item.stop = new AbortController();
    const onProgress = (progress) => {
      item.progress = progress;
      this.changed();
    };
    try {
      item.attachment = await this.api.upload(item.file, { name: item.name, onProgress, signal: item.stop.signal });
      item.state = "done";
    } catch (error) {
      item.state = "failed";
      item.problem = error instanceof ApiError && error.details ? t(error.details) : t("It could not be sent.");
    }
    this.isSending = false;
    this.changed();
    this.#next();
  }
}
