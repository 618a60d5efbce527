/** Lets node find the page's modules by their bare names ("chat/dom.js"), as the import map does in the browser. */
import { registerHooks } from "node:module";

const STATIC = new URL("../../chat/static/", import.meta.url);

registerHooks({
  resolve: (name, context, next) => next(name.startsWith("chat/") ? new URL(name, STATIC).href : name, context),
});
