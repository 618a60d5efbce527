/** Beside the field: dictation by the browser's own recognition of speech. Nothing where it has none. */
import { iconButton, setAttribute } from "chat/dom.js";
import { fillSlot } from "chat/registries.js";
import { t } from "chat/words.js";

const Recognition = globalThis.SpeechRecognition ?? globalThis.webkitSpeechRecognition;
const UNHEARD = {
  "not-allowed": t("The browser does not let this site use the microphone."),
  "service-not-allowed": t("The browser does not let this site use the microphone."),
  "audio-capture": t("There is no microphone."),
  network: t("The browser's recognition of speech cannot be reached."),
};

class Dictation {
  /** @param {import("chat/composer.js").Composer} composer */
  constructor(composer) {
    this.composer = composer;
    this.root = iconButton(t("Dictate"), "microphone", {
      class: "icon-button dictation",
      "aria-pressed": "false",
      onclick: () => (this.recognition ? this.recognition.stop() : this.#start()),
    });
  }

  update({ isClosed }) {
    this.root.disabled = isClosed;
  }

  #start() {
    const recognition = (this.recognition = new Recognition());
    const before = this.composer.field.value.trimEnd();
    Object.assign(recognition, {
      lang: document.documentElement.lang,
      continuous: true,
      interimResults: true,
      onresult: ({ results }) => {
        const said = Array.from(results, ([best]) => best.transcript)
          .join("")
          .trim();
        this.composer.setText(before && said ? `${before} ${said}` : before || said);
      },
      onerror: ({ error }) => UNHEARD[error] && this.composer.actions.tell(UNHEARD[error]),
      onend: () => this.#ended(),
    });
    recognition.start();
    setAttribute(this.root, "aria-pressed", "true");
  }

  #ended() {
    this.recognition = null;
    setAttribute(this.root, "aria-pressed", "false");
    this.composer.focus();
  }
}

if (Recognition) fillSlot("row", Dictation);
