/** What the buttons of a conversation do. */
import { copyText, showCopied } from "chat/copy.js";
import { MAX_FRAME_BYTES, answerFrame, commandFrame, isSendable, messageFrame, newId } from "chat/protocol.js";
import { questionOf } from "chat/state.js";
import { Uploads } from "chat/uploads.js";
import { t } from "chat/words.js";

/** @param {object} page  the parts of the page, by name (main.js) */
export function makeActions(page) {
  const { store, connection, toasts, announcer, api } = page;

  /** Send what waits, in order. */
  function flush() {
    if (store.state.link.phase !== "open") return;
    for (const { id, frame, state } of store.state.pending) {
      if (state !== "queued") continue;
      if (!isSendable(frame)) refuse(id);
      else if (connection.send(frame)) store.dispatch({ type: "page/sent", id });
    }
  }

  /** A frame that is too long would be refused unread, as nobody's, or end the connection. */
  const tooLong = () => t("This is too long to be sent: {n} kB at most.", { n: MAX_FRAME_BYTES / 1024 });
  const refuse = (id) => store.dispatch({ type: "error", error: "too_large", details: tooLong(), client_id: id });

  function send(frame, files = []) {
    store.dispatch({ type: "page/send", frame, files });
    flush();
  }

  function command(name, fields) {
    const frame = commandFrame(name, fields);
    const isShort = isSendable(frame);
    const isSent = isShort && connection.send(frame);
    if (isSent) store.dispatch({ type: "page/notice", notice: null });
    else toasts.show(isShort ? t("That needs a connection.") : tooLong());
    return isSent;
  }

  /** Shown at once, and taken back where the server would not have it. */
  async function judge(message, given, tell) {
    const { conversation, feedback } = store.state;
    const show = (value) =>
      store.dispatch({ type: "page/feedback", id: conversation.id, feedback: { [message]: value } });
    show(given);
    try {
      await tell();
    } catch {
      show(feedback[message]);
      toasts.show(t("Your feedback could not be stored."));
    }
  }

  /** The turn that it makes becomes the head: show it like one that was typed. */
  function startTurn(name, fields) {
    if (command(name, fields)) store.dispatch({ type: "page/expects-turn" });
  }

  /** What was set before the first message goes with it. */
  function newSettings() {
    const { conversation, newSettings: values } = store.state;
    return values && !conversation.stored ? { settings: values } : {};
  }

  return {
    flush,
    /** @param {object[]} files  that the server has */
    send(text, files = []) {
      const question = questionOf(store.state);
      const ids = files.map(({ id }) => id);
      const given = ids.length ? { content: text, attachments: ids } : { content: text };
      const frame = question ? answerFrame(newId(), question.request_id, given) : messageFrame(newId(), text, ids);
      send({ ...frame, ...newSettings() }, files);
      page.showEnd();
    },
    answer(requestId, answer) {
      send(answerFrame(newId(), requestId, answer));
      if (matchMedia("(hover: hover)").matches) page.composer.focus(); // the card goes
    },
    /** @param {import("chat/state.js").Pending} pending  an answer of a card, which is given anew there */
    withdraw: ({ id }) => store.dispatch({ type: "page/cancel", id }),
    newUploads: (changed) => new Uploads(page.api, page.composer.uploads.limits, changed),
    cancel(pending) {
      store.dispatch({ type: "page/cancel", id: pending.id });
      if (!page.composer.field.value) page.composer.setText(pending.frame.content);
      page.composer.focus();
    },
    retry({ id }) {
      store.dispatch({ type: "page/retry", id });
      flush();
    },
    showSettings: () => page.dialogs.with("settings", (settings) => settings.open()),
    /** @returns {Promise<object|null>} what can be set for the agent; null: it cannot be had, and people are told */
    async settings() {
      const { conversation, newSettings: values } = store.state;
      try {
        if (conversation.stored) return await page.api.settings(conversation.id);
        const found = await page.api.settingsOf(conversation.agent.key);
        return { ...found, values: values ?? found.values };
      } catch (error) {
        toasts.show(error.details || String(error.message));
        return null;
      }
    },
    /** @returns {Promise<string>} why the values were refused; empty: they are set */
    async changeSettings(values) {
      const { conversation } = store.state;
      try {
        if (conversation.stored) await page.api.changeSettings(conversation.id, values);
        else {
          await page.api.checkSettings(conversation.agent.key, values);
          store.dispatch({ type: "page/settings", values });
        }
        return "";
      } catch (error) {
        return error.details || String(error.message);
      }
    },
    letOpen: () => command("open", newSettings()),
    revoke: (tool) => command("revoke", { tool_name: tool }),
    stop: () => connection.send(commandFrame("stop")),
    giveFeedback: (message, given) =>
      judge(message, given, () => api.giveFeedback(store.state.conversation.id, message, given)),
    withdrawFeedback: (message) =>
      judge(message, undefined, () => api.withdrawFeedback(store.state.conversation.id, message)),
    askWhy: (judged) => page.dialogs.with("feedback", (form) => form.open(judged)),
    revise: (turn, content) => command("revise", { turn, content }),
    /** Taken back: the text is the composer's again, where that is empty. */
    cancelQueued(message) {
      if (!command("cancel", { turn: message.turn })) return;
      if (!page.composer.field.value) page.composer.setText(message.content);
      page.composer.focus();
    },
    edit: (turn, content) => startTurn("edit", { message_id: turn, content }),
    regenerate: (turn) => startTurn("regenerate", { message_id: turn }),
    branch: (turn) => command("branch", { turn }),
    editLast: () => page.view.turns.editLast(),
    async copy(text, control) {
      if (await copyText(text)) {
        showCopied(control);
        announcer.say(t("Copied"));
      } else toasts.show(t("The browser does not allow copying here."));
    },
    showTrace: (turn) => page.dialogs.with("trace", (panel) => panel.open(turn)),
    tell: (text) => toasts.show(text),
    focusField() {
      store.dispatch({ type: "page/answers", answers: true });
      page.composer.focus();
    },
    /** @returns {boolean} whether there was a question that the composer answered */
    leaveAnswer() {
      const isAnswering = questionOf(store.state) !== null;
      if (isAnswering) store.dispatch({ type: "page/answers", answers: false });
      return isAnswering;
    },
    useStarter(text) {
      page.composer.setText(text);
      page.composer.focus();
    },
    chooseAgent(key) {
      store.dispatch({ type: "page/agent", key });
      page.conversations.open("");
    },
    openNew: () => page.conversations.go(""),
    reconnect() {
      connection.close();
      connection.open();
    },
    dismissUnkept() {
      store.dispatch({ type: "page/unkept", problem: "" });
      page.composer.focus();
    },
    dismissNotice() {
      store.dispatch({ type: "page/notice", notice: null });
      page.composer.focus();
    },
  };
}
