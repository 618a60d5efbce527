/**
 * The browser's storage, which may be full, or forbidden: then even to name it throws. What it does not take is kept as
 * long as the page is open.
 *
 * @typedef {"localStorage"|"sessionStorage"} Area
 */
const unkept = new Map(); // by area and key; null where the storage has what it should not have any more
const told = new Set();
let tell = () => {};

/** @param {(problem: "full"|"blocked") => void} listener  hears once of each problem */
export function onTrouble(listener) {
  tell = listener;
}

/**
 * @param {Area} area
 * @param {string|null} value  null removes it
 */
export function keep(area, key, value) {
  const name = `${area} ${key}`;
  try {
    if (value === null) globalThis[area].removeItem(key);
    else globalThis[area].setItem(key, value);
    unkept.delete(name);
  } catch (error) {
    unkept.set(name, value);
    if (value !== null) report(error.name === "QuotaExceededError" ? "full" : "blocked");
  }
}

/** @param {Area} area @returns {string|null} */
export function kept(area, key) {
  const name = `${area} ${key}`;
  if (unkept.has(name)) return unkept.get(name);
  try {
    return globalThis[area].getItem(key);
  } catch {
    return null;
  }
}

/** Whether something ends with the page. */
export const hasUnkept = () => Array.from(unkept.values()).some((value) => value !== null);

/** Look whether cookies are taken: `navigator.cookieEnabled` is true where a user forbids those of one site. */
export function tryCookies() {
  document.cookie = "chat_probe=1; SameSite=Strict";
  if (document.cookie.includes("chat_probe=1")) document.cookie = "chat_probe=; Max-Age=0; SameSite=Strict";
  else report("blocked");
}

function report(problem) {
  if (told.has(problem)) return;
  told.add(problem);
  tell(problem);
}
