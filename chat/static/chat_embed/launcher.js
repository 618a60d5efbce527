/* Puts the chat into a page (docs/embedding.md). */
(() => {
  const script = document.currentScript;
  const { agent, ticket, label = "Chat" } = script.dataset;
  const address = new URL(`../embed/${encodeURIComponent(agent)}/`, script.src);
  const element = (name, props, style) => {
    const made = Object.assign(document.createElement(name), props);
    Object.assign(made.style, { position: "fixed", right: "16px", zIndex: 2e9 }, style);
    return made;
  };
  const look = {
    border: "2px solid #0000",
    borderRadius: "99px",
    padding: "12px 20px",
    font: "600 16px/1.4 system-ui",
    cursor: "pointer",
  };
  const button = element(
    "button",
    { type: "button", textContent: label },
    { ...look, bottom: "16px", background: "#0b5fce", color: "#fff" },
  );
  const size = { bottom: "76px", width: "min(400px, calc(100vw - 32px))", height: "min(640px, calc(100dvh - 92px))" };
  const box = { border: "1px solid #8886", borderRadius: "12px", boxShadow: "0 8px 32px #0004", background: "Canvas" };
  let frame;
  const show = (isOpen) => {
    if (!frame) {
      frame = element("iframe", { title: label, src: address.href, allow: "clipboard-write" }, { ...size, ...box });
      document.body.append(frame);
    }
    frame.hidden = !isOpen;
    frame.style.display = isOpen ? "" : "none";
    button.setAttribute("aria-expanded", String(isOpen));
    button.textContent = isOpen ? "×" : label;
    if (isOpen) frame.focus();
  };
  const mint = async () =>
    window.chatTicket ? window.chatTicket(agent) : (await (await fetch(ticket, { cache: "no-store" })).json()).ticket;
  addEventListener("message", async ({ source, origin, data }) => {
    if (!frame || source !== frame.contentWindow || origin !== address.origin) return;
    if (data.type === "chat:ready") source.postMessage({ type: "chat:ticket", ticket: await mint() }, origin);
    if (data.type === "chat:unread" && frame.hidden) button.textContent = `${label} •`;
  });
  button.addEventListener("click", () => show(!frame || frame.hidden));
  const begin = () => document.body.append(button);
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
})();
