"""Every state of our pages in which a person can meet them, and what is seen in it.

The tests that reach a state look at it in every look (`looks.py`). `tests/project/test_states.py` fails where a dialog,
a card, a question, a page is in no state, and where a state is reached by no test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """What is seen in it: selectors. `width`: "wide" or "narrow", where it is met in such a window alone.
    `part`: what of the page is ours.
    """

    places: tuple[str, ...]
    width: str = ""
    part: str = ""


def seen(*places: str, width: str = "", part: str = "") -> State:
    return State(places, width, part)


STATES = {
    # ---- Before the first message ----
    "many agents": seen(".agent-group", ".agent-card"),
    "few agents": seen(".agent-card"),
    "agents that are searched for in vain": seen(".agent-found"),
    "an agent with starters and commands": seen(".greeting", ".starter"),
    "an agent that has spoken first": seen(".reply"),
    "a temporary chat": seen(".temporary"),
    # ---- The field and what stands around it ----
    "commands": seen(".commands li"),
    "suggestions": seen(".suggestion", ".composer .icon-gear"),
    "a tool that is allowed here": seen(".allowed"),
    "files of a message": seen(".attached-image", ".upload-image", ".upload[data-state=failed]", ".attach-slot"),
    "too many files": seen(".upload-problem"),
    "an upload on its way": seen(".upload-bar"),
    "an upload that failed": seen(".upload[data-state=failed]"),
    "where files are dropped": seen(".drop-sign"),
    "a message that is too long": seen(".composer-note[data-over]"),
    "dictation": seen(".dictation[aria-pressed=true]"),
    "an answer to the question": seen(".answering", '.ask[data-kind="text"]'),
    # ---- Messages and answers ----
    "an answer that is waited for": seen(".dots-long"),
    "an answer that is written": seen("[data-writing] .prose", ".thought", "#stop"),
    "a bar in the answer's place": seen(".reply > .step"),
    "an answer that is read aloud": seen(".reply [aria-pressed=true]"),
    "messages that wait": seen(".user .note"),
    "a message that waits is edited": seen(".editor", "#stop"),
    "answers that ended badly": seen(".failure", ".ending"),
    "there are earlier messages": seen("#earlier"),
    "a message that is edited": seen(".editor"),
    "two versions": seen(".branch"),
    "cut answers": seen(".cut-button"),
    "away from the end": seen("#latest"),
    "all that Markdown has": seen(".prose table", ".code-lines", ".prose details", ".callout"),
    "what was wrong": seen(".feedback"),
    # ---- Cards ----
    "tools and sub-agents": seen(".tools-fold", ".tool .error", ".task .prose"),
    "a bar": seen(".tool .step"),
    "a tool that was rejected": seen(".tool"),
    "cards of tools": seen(
        '.shown[data-kind="hits"]', '.shown[data-kind="table"]', '.shown[data-kind="json"]', ".tool blockquote"
    ),
    "code that waits": seen(".tool figure.code", ".ask", ".ask-clock"),
    "sources": seen(".sources", ".footnote-mark"),
    "all that agents show": seen(
        *(f'.shown[data-kind="{kind}"]' for kind in ("image", "table", "json", "diff", "audio", "pdf", "file"))
    ),
    # ---- Questions ----
    "a question for leave": seen('.ask[data-kind="approval"]'),
    "a question with choices": seen('.ask[data-kind="choice"]'),
    "an approval's arguments in a form": seen(".ask .schema-field"),
    "an approval's arguments as JSON": seen(".ask-editor", ".ask-problem"),
    "why something is rejected": seen(".ask-reason"),
    "a form with a field that is missing": seen('.ask[data-kind="form"]', ".ask-problem"),
    "a form with a group, a day and a list": seen(".ask fieldset"),
    "asks for a file": seen('.ask[data-kind="file"]'),
    "an answer that was refused": seen(".ask-problem"),
    "an answer that waits for the connection": seen(".ask-queued"),
    # ---- Dialogs and menus ----
    "the menu": seen("#menu"),
    "the menu with notifications": seen("#menu", "#notify"),
    "the menu of an account": seen("#menu form"),
    "the menu of a conversation": seen("#chat-menu"),
    "the list of keys": seen("#keys"),
    "the dialog to rename": seen("#rename"),
    "the dialog of folders": seen("#folder"),
    "the dialog to share": seen("#share"),
    "the dialog to share, with a link": seen("#share .share-link"),
    "the search with hits": seen("#search .found-passage"),
    "the search without a hit": seen("#search-note"),
    "the search without a word": seen("#search .found"),
    "settings of a new conversation": seen("dialog .schema-field"),
    "settings with a value that does not fit": seen("dialog .ask-problem"),
    "what happened in a turn": seen(".trace .trace-detail"),
    "a picture large": seen(".lightbox-image"),
    "a PDF large": seen(".lightbox-pdf"),
    "a toast with a button": seen(".toast .text-button"),
    # ---- The list of conversations ----
    "a pinned conversation": seen(".chats-group", width="wide"),
    "several are selected": seen("#chats-selected", width="wide"),
    "without the list": seen("#app[data-collapsed]", width="wide"),
    "the list in the drawer": seen("#drawer .chat-item", width="narrow"),
    "several are selected in the drawer": seen("#drawer #chats-selected", width="narrow"),
    # ---- The connection and the browser ----
    "a conversation on its way": seen(".skeleton"),
    "away, with a message that waits": seen("#banner", ".pending"),
    "offline": seen("#banner .icon-offline"),
    "a message that was refused": seen(".pending.failed"),
    "no socket opens": seen('#banner[data-kind="err"]'),
    "full storage": seen("#banner"),
    "blocked storage": seen("#banner"),
    "closed: Signed out": seen("#banner"),
    "closed: Not found": seen(".empty h2"),
    "closed: Not allowed": seen('#pill[data-state="off"]'),
    "closed: Open elsewhere": seen("#banner"),
    "a conversation that was deleted elsewhere": seen(".empty h2"),
    # ---- Pages around ----
    "sign-in that failed": seen(".problem"),
    "a page to print": seen(".reading-turns"),
    "the page in another site's frame": seen(".reply", "#embed-new"),
    "another site's page with the chat": seen("iframe"),
    "another site's page with the button": seen("button"),
    "without JavaScript": seen(".no-script"),
    "chat/templates/chat/reading.html": seen(".reading-turns"),
    "chat/templates/chat/reading_gone.html": seen(".reading-gone"),
    "chat/templates/chat/admin/conversation.html": seen(
        ".chat-transcript", ".chat-waterfall ol", part=".chat-transcript"
    ),
    "chat/templates/chat/admin/sessions.html": seen(".chat-totals", part="#changelist .results"),
    "chat/templates/chat/admin/feedback.html": seen(".chat-sums", part=".chat-sums"),
    "templates/403.html": seen(".sheet"),
    "templates/403_csrf.html": seen(".sheet"),
    "templates/404.html": seen(".sheet"),
    "templates/429.html": seen(".sheet"),
    "templates/500.html": seen(".sheet"),
    "templates/registration/logged_out.html": seen(".sheet"),
    "templates/registration/login.html": seen(".sheet form"),
    "templates/registration/password_change_done.html": seen(".sheet"),
    "templates/registration/password_change_form.html": seen(".sheet form"),
    "templates/registration/password_reset_complete.html": seen(".sheet"),
    "templates/registration/password_reset_confirm.html": seen(".sheet"),
    "templates/registration/password_reset_done.html": seen(".sheet"),
    "templates/registration/password_reset_form.html": seen(".sheet form"),
}
