/** Why no socket opens, as far as plain HTTP can tell. */
import { t } from "chat/words.js";

/** @param {string} path  of the socket @returns {Promise<string>} a sentence for whoever runs the site; "" for none */
export async function socketTrouble(path) {
  try {
    const answer = await fetch(`${path}?${new URLSearchParams({ origin: location.origin })}`, { cache: "no-store" });
    if (answer.status === 426) return (await answer.text()).trim();
    if (answer.status >= 500) return ""; // the proxy speaks, and the server is away
    return t("{path} is answered with {status}, where a WebSocket should be.", { path, status: answer.status });
  } catch {
    return ""; // nobody is there
  }
}
