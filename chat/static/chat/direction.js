/** The direction of a text that is being typed. `dir="auto"` reads all of it at each key: a long one stands still. */
const HEAD = 2_000; // characters that are looked at
const STRONG = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]|(\p{L})/u;

/** @returns {"rtl"|"ltr"|null} that of the first letter; null where there is none */
export function directionOf(text) {
  const found = STRONG.exec(text.slice(0, HEAD));
  if (!found) return null;
  return found[1] ? "ltr" : "rtl";
}
