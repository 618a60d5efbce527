/** Small tools to build and keep elements. Text is always text: no HTML passes through here. */

/** @returns {HTMLElement|null} */
export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. Attributes that are false, null or undefined are left out; `true` gives an empty one; functions are
 * listeners ("onclick").
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node|string|null|undefined|false)} children
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let ids = 0;

/** An id for `aria-labelledby` and its like. */
export const newDomId = (prefix) => `${prefix}-${(ids += 1)}`;

const icons = new Map(); // a copy costs a third of a new one

/** A symbol of the page's sprite. */
export function icon(name) {
  if (!icons.has(name)) icons.set(name, newIcon(name));
  return icons.get(name).cloneNode(true);
}

function newIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(element, name) {
  const use = element.querySelector("use");
  if (use && use.getAttribute("href") !== `#icon-${name}`) use.setAttribute("href", `#icon-${name}`);
}

/** A button with an icon, and a visible text or an `aria-label` among the attributes. */
export function button(attributes, iconName, text = "") {
  return el("button", { type: "button", ...attributes }, iconName && icon(iconName), text && el("span", {}, text));
}

export function iconButton(label, iconName, attributes = {}) {
  return button({ class: "icon-button", "aria-label": label, title: label, ...attributes }, iconName);
}

/** Change text only where it differs: an equal assignment would end a selection. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value))
    element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Keeps the children of an element in step with a list: one component for each item, known by its key.
 * A component has a `root` and `update(item, context)`.
 */
export class KeyedList {
  /**
   * @param {Element} parent
   * @param {(item: object) => {root: Element, update: (item: object, context: object) => void}} make
   */
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.components = new Map();
  }

  /** @param {{key: string}[]} items */
  update(items, context) {
    const keys = new Set(items.map(({ key }) => key));
    for (const [key, component] of this.components) {
      if (keys.has(key)) continue;
      component.root.remove();
      this.components.delete(key);
    }
    let place = this.parent.firstElementChild;
    for (const item of items) {
      let component = this.components.get(item.key);
      if (!component) this.components.set(item.key, (component = this.make(item)));
      if (component.root === place) place = place.nextElementSibling;
      else this.parent.insertBefore(component.root, place);
      component.update(item, context);
    }
  }

  get(key) {
    return this.components.get(key);
  }
}
