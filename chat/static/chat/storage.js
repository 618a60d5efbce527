/** The browser's storage, which may be full or forbidden: then the page works on without it. */

/**
 * @param {Storage} storage
 * @param {string|null} value  null removes it
 * @returns {boolean} whether it is kept
 */
export function keep(storage, key, value) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}
