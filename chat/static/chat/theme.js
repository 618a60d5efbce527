/** Light, dark, or as the system says. A cookie, so that the server's first paint is right. */
const YEAR_SECONDS = 365 * 24 * 3600;

/** @param {HTMLElement} root  holds the radio buttons "theme" */
export function bindThemes(root) {
  root.addEventListener("change", ({ target }) => {
    if (target.value) document.documentElement.dataset.theme = target.value;
    else delete document.documentElement.dataset.theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `chat_theme=${target.value}; Path=/; Max-Age=${target.value ? YEAR_SECONDS : 0}; SameSite=Lax${secure}`;
  });
}
