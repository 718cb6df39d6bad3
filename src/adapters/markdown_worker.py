"""Renders Markdown as a worker process: standard library, markdown-it and nh3 only.

A message is its length in four bytes, then JSON. A request is `["html", text]` or
`["beginnings", [text, ...]]`. The answer is the HTML, or a list of the plain text and whether more
follows it; `null` stands for what exceeds the limits.
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
"""How deep lists, quotes and emphasis go; what is deeper is shown as it was typed."""

MAX_ADDRESS = 2_000
"""How many characters the address of a link has at most; longer ones are shown as typed."""

MAX_LINK_TITLE = 300
"""How many characters of a link's title are kept."""

HTML_SECONDS = 2.0
BEGINNING_SECONDS = 0.25
"""CPU time for one text; a text of 50,000 ordinary characters takes 0.1 seconds."""

IDLE_SECONDS = 60
"""The process ends after this time without a request."""

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
# An author vouches for no other site, and the other site learns nothing of ours.
_REL = "nofollow noopener noreferrer"


class LimitExceeded(BaseException):
    """The text takes too much time, or too much would be made of it.

    It is no `Exception`, so that no handler of a library swallows it.
    """


def max_html(text: str) -> int:
    """Return how many characters of HTML a text may become."""
    return 10 * len(text) + 20_000


def to_html(text: str) -> str:
    """Return a text in Markdown as HTML that loads nothing from elsewhere and runs nothing.

    HTML in the text is shown as it was typed. The second pass, which leaves nothing but what is on
    the allow-list, is there for what the first does not foresee.

    Raises:
        LimitExceeded: when it becomes longer than `max_html`.
    """
    parser = _parser()
    environment: dict[str, Any] = {}
    tokens = parser.parse(text, environment)
    limit = max_html(text)
    # Reference links repeat one address many times: the sum is checked before it is written out.
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
    """Return the first paragraphs of a text in Markdown as plain text, and whether more follows.

    A text without paragraphs begins with whatever else it says.
    """
    blocks, more = _first_paragraphs(text)
    return " ".join(" ".join(map(_plain, blocks)).split()), more


def _first_paragraphs(text: str) -> tuple[list[Token], bool]:
    # Tables are not read as such, since empty cells make long work of a short text.
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
    """Return what a block says."""
    breaks = ("softbreak", "hardbreak")
    return "".join(" " if each.type in breaks else each.content for each in block.children or ())


def _length(tokens: Sequence[Token]) -> int:
    """Return about how long the HTML of the tokens is at least."""
    return sum(
        len(token.tag)
        + sum(len(str(value)) for value in token.attrs.values())
        + (_length(token.children) if token.children is not None else len(token.content))
        for token in tokens
    )


def _is_allowed(address: str) -> bool:
    """Whether an address may be linked to; other links stay text, as they were typed."""
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
    """Put headings below that of the page, each one level below the one it belongs to."""
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
    """Show pictures of ours, and link to those that lie elsewhere."""
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
    """Shorten the titles of links and pictures."""
    for block in state.tokens:
        for token in block.children or ():
            if "title" in token.attrs:
                token.attrs["title"] = str(token.attrs["title"])[:MAX_LINK_TITLE]


def _columns(state: StateCore) -> None:
    """Align columns by a class, as styles within a page do nothing.

    A heading cell without text is none to a screen reader.
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
    """Return the answer to a request."""
    kind, asked = request
    if kind == "html":
        return _limited(HTML_SECONDS, to_html, asked)
    return [_limited(BEGINNING_SECONDS, beginning, text) for text in asked]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more of them, or none for a while."""
    while select.select([requests], [], [], IDLE_SECONDS)[0]:
        head = requests.read(4)
        if len(head) < 4:
            return
        found = answer(json.loads(requests.read(int.from_bytes(head, "big"))))
        content = json.dumps(found).encode()
        answers.write(len(content).to_bytes(4, "big") + content)
        answers.flush()
        if found is None:
            # The memory that was taken is given back by ending; the next request starts another.
            return


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, _overdue)
    serve(sys.stdin.buffer, sys.stdout.buffer)
