"""Worker process that renders Markdown, with the standard library, markdown-it and nh3 only.

A message is its length in four bytes, then JSON. A request is `["html", text]` or `["beginnings",
[text, ...]]`. The response is the HTML, or a list of pairs: the plain text, and whether more
follows. `null` stands for a text that exceeds the limits.
"""

import json
import re
import select
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from types import FrameType
from typing import Any, BinaryIO, TypeVar

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

T = TypeVar("T")

MAX_NESTING = 20
"""Nesting depth of lists, quotes and emphasis; deeper markup is shown as typed."""

MAX_ADDRESS = 2_000
"""Maximum length of a link's address; longer links are shown as typed."""

MAX_LINK_TITLE = 300
"""Maximum length of a link's title; longer ones are cut."""

HTML_SECONDS = 2.0
BEGINNING_SECONDS = 0.25
"""CPU seconds for one text; 50,000 ordinary characters take 0.1 seconds."""

IDLE_SECONDS = 60
"""Seconds without a request after which the process exits."""

_OURS = re.compile(r"/media/[\w-]+\.[a-z]+", re.ASCII)
_ELSEWHERE = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE | re.ASCII)

_ELEMENTS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong"),
    *("s", "ul", "ol", "li", "a", "img", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title", "loading"}, "ol": {"start"}}
_CLASSES = {"th": {"center", "right"}, "td": {"center", "right"}}
_SCHEMES = {"http", "https", "mailto", "tel", "sms"}
# Links give other sites no endorsement and no referrer.
_REL = "nofollow noopener noreferrer"


class LimitExceeded(BaseException):
    """The text takes too much CPU time, or its HTML is too long.

    It is not an `Exception`, so that no handler in a library catches it.
    """


def max_html(text: str) -> int:
    """Return the maximum length of a text's HTML."""
    return 10 * len(text) + 20_000


def to_html(text: str) -> str:
    """Render Markdown as HTML that loads nothing from other sites and runs no scripts.

    HTML in the text is shown as typed. A second pass, which keeps only allow-listed elements,
    guards against errors of the first.

    Raises:
        LimitExceeded: when the HTML becomes longer than `max_html`.
    """
    parser = _parser()
    environment: dict[str, Any] = {}
    tokens = parser.parse(text, environment)
    limit = max_html(text)
    # Reference links may repeat one long address, so the length is checked before rendering.
    if _length(tokens) > limit:
        raise LimitExceeded
    clean = nh3.clean(
        parser.renderer.render(tokens, parser.options, environment),
        tags=_ELEMENTS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes=_SCHEMES,
        link_rel=_REL,
        strip_comments=True,
    )
    if len(clean) > limit:
        raise LimitExceeded
    return clean


def beginning(text: str) -> tuple[str, bool]:
    """Return the first paragraphs as plain text, and whether more follows.

    A text without paragraphs begins with its other inline text.
    """
    blocks, more = _first_paragraphs(text)
    return " ".join(" ".join(map(_plain, blocks)).split()), more


def _first_paragraphs(text: str) -> tuple[list[Token], bool]:
    # Tables are disabled, because empty cells make a short text expensive.
    tokens = [token for token in _parser(tables=False).parse(text) if token.nesting >= 0]
    found: list[Token] = []
    for before, block in pairwise(tokens):
        plain = before.type == "paragraph_open" and before.level == 0
        if plain and not block.content.startswith("|"):
            found.append(block)
        elif found and before is not found[-1]:
            return found, True
    if found:
        return found, tokens[-1] is not found[-1]
    return [token for token in tokens if token.type == "inline"], False


def _plain(block: Token) -> str:
    breaks = ("softbreak", "hardbreak")
    return "".join(" " if each.type in breaks else each.content for each in block.children or ())


def _length(tokens: Sequence[Token]) -> int:
    """Return a lower bound of the length of the tokens' HTML."""
    return sum(
        len(token.tag)
        + sum(len(str(value)) for value in token.attrs.values())
        + (_length(token.children) if token.children is not None else len(token.content))
        for token in tokens
    )


def _is_allowed(address: str) -> bool:
    """Tell whether an address may be linked; other links are shown as typed."""
    scheme = _SCHEME.match(address)
    return len(address) <= MAX_ADDRESS and (scheme is None or scheme[1].lower() in _SCHEMES)


@cache
def _parser(*, tables: bool = True) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    parser.validateLink = _is_allowed  # type: ignore[assignment, method-assign]
    parser.enable(["table", "strikethrough"] if tables else ["strikethrough"])
    parser.core.ruler.push("headings", _headings)
    parser.core.ruler.push("pictures", _pictures)
    parser.core.ruler.push("titles", _titles)
    parser.core.ruler.push("columns", _columns)
    return parser


def _headings(state: StateCore) -> None:
    """Renumber headings below the page's own, without gaps between levels."""
    above: list[str] = []
    for token in state.tokens:
        if token.type == "heading_open":
            written = token.tag
            while above and above[-1] >= written:
                above.pop()
            above.append(written)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(len(above) + 1, 6)}"


def _pictures(state: StateCore) -> None:
    """Keep the service's own images, and replace images of other sites by links."""
    for block in state.tokens:
        children = block.children or ()
        if any(token.type == "image" for token in children):
            block.children = list(_without_foreign(children))


def _without_foreign(tokens: Sequence[Token]) -> list[Token]:
    made: list[Token] = []
    within_link = 0
    for token in tokens:
        within_link += token.nesting if token.type in ("link_open", "link_close") else 0
        if token.type != "image":
            made.append(token)
            continue
        address = str(token.attrs["src"])
        if _OURS.fullmatch(address):
            token.attrSet("loading", "lazy")
            made.append(token)
            continue
        said = Token("text", "", 0, content=token.content or address)
        if within_link or not _ELSEWHERE.match(address):
            made.append(said)
        else:
            link = Token("link_open", "a", 1, attrs={"href": address})
            made += [link, said, Token("link_close", "a", -1)]
    return made


def _titles(state: StateCore) -> None:
    """Shorten the titles of links and images."""
    for block in state.tokens:
        for token in block.children or ():
            if "title" in token.attrs:
                token.attrs["title"] = str(token.attrs["title"])[:MAX_LINK_TITLE]


def _columns(state: StateCore) -> None:
    """Align columns by class, because the pages' content security policy blocks inline styles.

    A heading cell without text becomes an ordinary cell for screen readers.
    """
    for place, token in enumerate(state.tokens):
        style = str(token.attrs.pop("style", ""))
        if style.endswith(("center", "right")):
            token.attrSet("class", style.removeprefix("text-align:"))
        if token.type == "th_open" and not state.tokens[place + 1].content:
            token.tag = state.tokens[place + 2].tag = "td"


def _overdue(_signal: int, _frame: FrameType | None) -> None:
    raise LimitExceeded


def _limited(seconds: float, work: Callable[[str], T], text: str) -> T | None:
    """Return the result of the work, or `None` when it exceeds a limit."""
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            return work(text)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    except (LimitExceeded, MemoryError, RecursionError):
        return None


def answer(request: tuple[str, Any]) -> Any:
    """Process a request and return the response."""
    kind, asked = request
    if kind == "html":
        return _limited(HTML_SECONDS, to_html, asked)
    return [_limited(BEGINNING_SECONDS, beginning, text) for text in asked]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the input ends or is idle for `IDLE_SECONDS`."""
    while select.select([requests], [], [], IDLE_SECONDS)[0]:
        head = requests.read(4)
        if len(head) < 4:
            return
        found = answer(json.loads(requests.read(int.from_bytes(head, "big"))))
        content = json.dumps(found).encode()
        answers.write(len(content).to_bytes(4, "big") + content)
        answers.flush()
        if found is None:
            # Exit to release the memory used; the next request starts another worker.
            return


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, _overdue)
    serve(sys.stdin.buffer, sys.stdout.buffer)
