/** What agents do, in order: text, tool calls, sub-agents. The same at every depth. */
import { KeyedList } from "chat/dom.js";
import { parts as registry } from "chat/registries.js";

/** The parts of a reply or of a sub-agent, in order. */
export class PartList extends KeyedList {
  constructor(parent) {
    super(parent, ({ kind }) => new (registry.of(kind))());
  }

  update(parts, context) {
    // The kind is in the key: an entry that turns into another kind gets another component.
    super.update(
      parts.map((part) => ({ ...part, key: `${part.kind}:${part.key}` })),
      context,
    );
  }
}
