/**
 * Files of the chat, at their addresses. In another site's frame no cookie goes with these: there they are fetched by
 * requests that say who asks.
 */
import { el } from "chat/dom.js";

const KEPT_MS = 60_000; // for a browser that asks people where to save

let ask = null;
let onFailure = () => {};
const addresses = new WeakMap();

/**
 * From now on fetch all files. @param {(address: string) => Promise<Response>} request
 * @param {(error: {status?: number}) => void} failed
 */
export function fetchFiles(request, failed) {
  ask = request;
  onFailure = failed;
}

/** Whether files are fetched: then no address of theirs opens by itself. */
export const areFetched = () => ask !== null;

async function fetched(address) {
  const answer = await ask(address);
  if (!answer.ok) throw Object.assign(new Error(address), { status: answer.status });
  return URL.createObjectURL(await answer.blob());
}

let near = null;

/** Fetches what comes near to what is seen. */
const newObserver = () =>
  new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        fetched(addresses.get(target)).then((url) => give(target, url), onFailure);
      }
    },
    { rootMargin: "600px" },
  );

/** An image that has loaded needs its copy no more; a player reads on from it. */
function give(element, url) {
  element.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  element.src = url;
}

/** Let an image or a player have its file. @template {HTMLElement} T @param {T} element @returns {T} */
export function loaded(element, address) {
  if (!ask) {
    element.src = address;
    return element;
  }
  addresses.set(element, address);
  near ??= newObserver();
  near.observe(element);
  return element;
}

async function save(address, name) {
  const url = await fetched(address);
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

/** Let a link open a file, or save it. @param {HTMLAnchorElement} link @returns {HTMLAnchorElement} */
export function linked(link, address, name) {
  link.href = address;
  if (ask)
    link.addEventListener("click", (event) => {
      event.preventDefault();
      save(address, name).catch(onFailure);
    });
  return link;
}
