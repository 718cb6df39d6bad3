"""When two people edit one thing: who saves second sees both, and decides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from entrypoints.pages.forms import Form
from entrypoints.pages.rendering import page


@dataclass(frozen=True)
class Difference:
    """A field that two people gave different values; `touched` if the later one typed theirs."""

    name: str
    theirs: str
    mine: str
    touched: bool


def differences(form: Form, now: Form, names: Iterable[str]) -> list[Difference]:
    """Return the fields in which a form differs from how things stand now."""
    return [
        Difference(name, now[name], form[name], touched=form.touched(name))
        for name in names
        if name in form.values and form[name].strip() != now[name]
    ]


def merge_page(
    request: Request,
    sent: Form,
    now: Form,
    names: Iterable[str],
    *,
    labels: str,
    back: str,
    choices: Mapping[str, Mapping[str, str]] | None = None,
    suggested: Mapping[str, Any] | None = None,
) -> Response:
    """Return the page that shows what was typed beside what somebody else has saved meanwhile.

    Args:
        request: the request that brought the form.
        sent: what was typed.
        now: the form as it would be filled now.
        names: the fields that can be edited.
        labels: the file of texts that has the label of each, as `label_<name>`.
        back: where the thing is to be found.
        choices: for a field that is chosen from a list, what each of its values is called.
        suggested: for a field that names one of many, what it suggests.
    """
    return page(
        request,
        "merge.html",
        status=412,
        sent=sent,
        now_is=now,
        differences=differences(sent, now, names),
        labels=labels,
        address=back,
        choices=choices or {},
        suggested=suggested or {},
    )
