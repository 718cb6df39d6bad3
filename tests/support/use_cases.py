"""Use cases performed by the runner of a backend."""

from collections.abc import Callable
from typing import Any

from support.backends import Backend
from support.people import CTX


def perform(backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return backend.default_runner.perform(use_case, *args, **kwargs)


def perform_as_service(
    backend: Backend, use_case: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Perform a use case in the context of the service itself, at noon."""
    kwargs.setdefault("ctx", CTX)
    return backend.default_runner.perform(use_case, *args, **kwargs)
