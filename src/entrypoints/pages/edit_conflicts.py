"""Edit conflicts: a page to merge a submitted form with the version saved meanwhile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from entrypoints.pages.forms import Form
from entrypoints.pages.rendering import page


@dataclass(frozen=True)
class Difference:
    """A field whose submitted value differs from the saved one.

    `theirs` is saved, `mine` was submitted. `touched` tells whether `mine` was edited in the form.
    """

    name: str
    theirs: str
    mine: str
    touched: bool


def differences(form: Form, now: Form, names: Iterable[str]) -> list[Difference]:
    """Return the fields in which the submitted form differs from the current one."""
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
    """Return the page, with status 412, that shows submitted and saved values side by side.

    Args:
        request: the request that submitted the form.
        sent: the submitted form.
        now: the form filled from the current version.
        names: the editable fields.
        labels: the file of texts with the labels of the fields, as `label_<name>`.
        back: the address of the object's page.
        choices: for each select field, the labels of its values.
        suggested: for each autocomplete field, its `Suggestions`.
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
