"""What people write in Markdown as HTML that is safe to show, whoever wrote it."""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

MAX_NESTING = 20
"""How deep lists, quotes and emphasis go; what is deeper is shown as it was typed."""

KEPT = 64
"""How many texts are remembered as HTML, each at most some hundred thousand characters."""

EXCERPT = 280
"""How many characters of a post a list shows."""

_READ_FOR_EXCERPT = 2_000

_OURS = re.compile(r"/media/[\w-]+\.[a-z]+", re.ASCII)
_ELSEWHERE = re.compile(r"https?://", re.IGNORECASE)

_ELEMENTS = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong"),
    *("s", "ul", "ol", "li", "a", "img", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title", "loading"}, "ol": {"start"}}
_CLASSES = {"th": {"center", "right"}, "td": {"center", "right"}}
_SCHEMES = {"http", "https", "mailto"}
# Whoever writes here vouches for no other site, and it learns nothing of ours.
_REL = "nofollow noopener noreferrer"

# One thread: texts that take long wait for each other, and next to nothing else waits for them.
_aside = ThreadPoolExecutor(1, "markdown")
_made: dict[str, Markup] = {}


async def rendered(text: str) -> Markup:
    """Return a text in Markdown as HTML.

    It is remembered by what it says, so that a text is worked on once; that is done beside the
    event loop, since the worst text there can be takes seconds.
    """
    html = _made.pop(text, None)
    if html is None:
        html = await asyncio.get_running_loop().run_in_executor(_aside, to_html, text)
        while len(_made) >= KEPT:
            del _made[next(iter(_made))]
    _made[text] = html
    return html


def to_html(text: str) -> Markup:
    """Return a text in Markdown as HTML that loads nothing from elsewhere and runs nothing.

    HTML in the text is shown as it was typed. The second pass, which leaves nothing but what is on
    our list, is there for what nobody has thought of in the first.
    """
    # What serves programs alone does without it.
    import nh3

    clean = nh3.clean(
        _parser().render(text),
        tags=_ELEMENTS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes=_SCHEMES,
        link_rel=_REL,
        strip_comments=True,
    )
    return Markup(clean)  # noqa: S704  # this is where it becomes safe


def excerpt(text: str) -> str:
    """Return how a text in Markdown begins, as plain text."""
    return _excerpt(text[:_READ_FOR_EXCERPT])


@lru_cache(512)
def _excerpt(beginning: str) -> str:
    words: list[str] = []
    length = 0
    blocks, more = _first_paragraphs(beginning)
    for block in blocks:
        for word in _said(block).split():
            length += len(word) + 1
            if length > EXCERPT:
                return f"{' '.join(words) or word[:EXCERPT]} …"
            words.append(word)
    return " ".join(words) + (" …" if words and more else "")


def _first_paragraphs(text: str) -> tuple[list[Token], bool]:
    """Return the first paragraphs that follow each other, and whether something else follows them.

    A text without paragraphs is told by whatever else it says.
    """
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


def _said(block: Token) -> str:
    """Return what a block says."""
    breaks = ("softbreak", "hardbreak")
    return "".join(" " if each.type in breaks else each.content for each in block.children or ())


@cache
def _parser(*, tables: bool = True) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    parser.enable(["table", "strikethrough"] if tables else ["strikethrough"])
    parser.core.ruler.push("headings", _headings)
    parser.core.ruler.push("pictures", _pictures)
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
    """Show pictures of ours, and lead to those that lie elsewhere."""
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


def _columns(state: StateCore) -> None:
    """Tell how columns are aligned by a class, as styles within a page do nothing.

    A heading that says nothing is none, to whoever listens to the page.
    """
    for place, token in enumerate(state.tokens):
        style = str(token.attrs.pop("style", ""))
        if style.endswith(("center", "right")):
            token.attrSet("class", style.removeprefix("text-align:"))
        if token.type == "th_open" and not state.tokens[place + 1].content:
            token.tag = state.tokens[place + 2].tag = "td"
