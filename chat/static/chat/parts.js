/** What agents do, in order: text, tool calls, sub-agents. The same at every depth. */
import { KeyedList, el } from "chat/dom.js";
import { withEntry } from "chat/later.js";
import { parts, shown } from "chat/registries.js";

/** The parts of a reply or of a sub-agent, in order. */
export class PartList extends KeyedList {
  constructor(parent) {
    super(parent, ({ kind }) => new (parts.of(kind))());
  }

  update(items, context) {
    // The kind is in the key: an entry that turns into another kind gets another component.
    super.update(
      items.map((part) => ({ ...part, key: `${part.kind}:${part.key}` })),
      context,
    );
  }
}

/** What an agent shows beside words, at once or as soon as there is what shows its kind. @returns {Element} */
export function shownOf(part) {
  let place = el("div");
  withEntry(shown, part.kind, (make) => {
    const made = make(part);
    place.replaceWith(made);
    place = made;
  });
  return place;
}
