/** As much of an element as the page's modules ask of one that they have made: for tests without a browser. */
export class Element {
  constructor(tag) {
    Object.assign(this, {
      tag,
      children: [],
      attributes: {},
      listeners: {},
      value: "",
      textContent: "",
      hidden: false,
    });
    this.validity = { valid: true };
    this.classList = { toggle() {}, add() {}, remove() {} };
  }
  get type() {
    return this.attributes.type ?? "";
  }
  setAttribute(name, value) {
    this.attributes[name] = value;
    if (name === "value") this.value = value;
  }
  getAttribute(name) {
    return this.attributes[name] ?? null;
  }
  removeAttribute(name) {
    delete this.attributes[name];
  }
  append(...children) {
    this.children.push(...children);
  }
  replaceChildren(...children) {
    this.children = children;
  }
  cloneNode() {
    return new Element(this.tag);
  }
  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }
  focus() {}
  /** As a person does, with the mouse. */
  click() {
    for (const name of ["pointerdown", "click"]) this.listeners[name]?.({ preventDefault() {}, currentTarget: this });
  }
  /** The elements below it with one of these tags. */
  all(...tags) {
    const own = this.children.filter((child) => child instanceof Element);
    return own.flatMap((child) => [...(tags.includes(child.tag) ? [child] : []), ...child.all(...tags)]);
  }
  /** All that a person may see of it. */
  get shown() {
    const own = [this.value, this.textContent, ...Object.values(this.attributes)];
    return [...own, ...this.children.map((child) => (child instanceof Element ? child.shown : child))].join(" ");
  }
}
