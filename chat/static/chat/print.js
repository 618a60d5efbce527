/** Of the page for paper alone: opens the browser's dialog once all is there. */
addEventListener("load", () => print());
