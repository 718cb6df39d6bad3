"""Pages that edit one object: save the form, and merge it with a version saved meanwhile."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import Request
from starlette.responses import Response

from domain.errors import VersionMismatch
from entrypoints.pages.choices import Choices
from entrypoints.pages.forms import FORM_ERRORS, Form
from entrypoints.pages.rendering import page, see_other
from entrypoints.web.problems import to_problem
from service_layer.queries.base import View

V = TypeVar("V", bound=View)


@dataclass(frozen=True)
class Difference:
    """A field whose submitted value differs from the saved one.

    `theirs` is saved, `mine` was submitted. `touched` tells whether `mine` was edited in the form.
    """

    name: str
    theirs: str
    mine: str
    touched: bool


@dataclass(frozen=True)
class EditPage(Generic[V]):
    """The page that edits one kind of object.

    The template gets the object as `name`. `labels` is the file of texts with the labels of the
    fields, as `label_<name>`. `searched` has the objects that each autocomplete field can name.
    """

    name: str
    template: str
    labels: str
    fields: Sequence[str]
    searched: Mapping[str, Choices] = field(default_factory=dict)

    async def context(self, request: Request, view: V, form: Form) -> Mapping[str, Any]:
        """Return further variables of the template."""
        return {}

    def options(self) -> Mapping[str, Mapping[str, str]]:
        """Return, for each select field, the labels of its values."""
        return {}

    def fill(self, view: V) -> Form:
        """Return the form filled from an object."""
        return Form.of(view, *self.fields)

    async def show(
        self,
        request: Request,
        view: V,
        form: Form | None = None,
        status: int = 200,
        **more: Any,
    ) -> Response:
        """Return the page, with the form filled from the object unless another one is given."""
        form = form or self.fill(view)
        shown: dict[str, Any] = {self.name: view, "form": form}
        for name, choices in self.searched.items():
            shown[choices.name] = await choices.suggest(request, form[name])
        shown |= {**await self.context(request, view, form), **more}
        return page(request, self.template, status=status, **shown)

    async def refuse(self, request: Request, view: V, error: Exception) -> Response:
        """Return the page with an error about a command that did not change the object."""
        form = self.fill(view).refused(error)
        return await self.show(request, view, form, to_problem(error).status)

    async def save_edit(
        self,
        request: Request,
        sent: Form,
        save: Callable[[Form], Awaitable[object]],
        load: Callable[[], Awaitable[V]],
        *,
        address: str,
        then: str | None = None,
        done: str = "saved",
        loaded: V | None = None,
    ) -> Response:
        """Save a submitted form and redirect; show its errors, or the merge page on a conflict.

        Args:
            request: the request that submitted the form.
            sent: the submitted form.
            save: validates the form and runs the use case with the form's version.
            load: loads the current version.
            address: the address of the object's page.
            then: the address to redirect to, by default `address`.
            done: the name of the success message.
            loaded: the object to show with errors, by default the current version.
        """
        try:
            for name, choices in self.searched.items():
                sent = await choices.resolve(request, sent, name)
            await save(sent)
        except VersionMismatch:
            return await self._merge(request, sent, self.fill(await load()), address)
        except FORM_ERRORS as error:
            view = loaded or await load()
            return await self.show(request, view, sent.refused(error), to_problem(error).status)
        return see_other(then or address, done)

    async def _merge(self, request: Request, sent: Form, now_is: Form, address: str) -> Response:
        """Return the page, with status 412, that shows submitted and saved values side by side."""
        suggested = {}
        for name, choices in self.searched.items():
            mine = await choices.suggest(request, sent[name])
            suggested[name] = mine.knowing(await choices.suggest(request, now_is[name]))
        differences = [
            Difference(name, now_is[name], sent[name], touched=sent.touched(name))
            for name in self.fields
            if name in sent.values and sent[name].strip() != now_is[name]
        ]
        return page(
            request,
            "merge.html",
            status=412,
            sent=sent,
            now_is=now_is,
            differences=differences,
            labels=self.labels,
            address=address,
            choices=self.options(),
            suggested=suggested,
        )
