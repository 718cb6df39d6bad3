"""Values that were sent: whether they are acceptable, and if not, where the fault is."""

import re
from binascii import a2b_qp
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from entrypoints.web.problems import ApiProblem, invalid, pointer

_NO_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")
_MAX_NO_ESCAPES = 1_000


def urlencoded(text: bytes, max_pairs: int) -> list[tuple[str, str]]:
    """Return the names and values of a query or a form (`application/x-www-form-urlencoded`).

    It costs a tenth of `urllib.parse.parse_qsl`, and says the same.

    Raises:
        ValueError: when there are too many, or one is no text in UTF-8 or has very many signs of
            escapes that are none.
    """
    if not text.isascii() or text.count(b"&") >= max_pairs:
        raise ValueError
    pairs = (pair.partition(b"=") for pair in text.split(b"&") if pair)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]


def _unescaped(text: bytes) -> str:
    text = text.replace(b"+", b" ")
    if b"%" in text:
        pieces = _NO_ESCAPE.split(text, _MAX_NO_ESCAPES)
        if len(pieces) > _MAX_NO_ESCAPES:
            raise ValueError
        # Quoted-printable is the same with another sign, and there is a decoder in C.
        text = b"%25".join(pieces)
        text = a2b_qp(text.replace(b"=", b"%3D").replace(b"%", b"="))
    return text.decode()


def query_parameters(query: bytes) -> dict[str, str]:
    """Return the parameters of a query.

    Raises:
        ApiProblem: 422 when one is given twice, or is no text in UTF-8.
    """
    if not query:
        return {}
    try:
        pairs = urlencoded(query, 50)
    except ValueError:
        raise invalid(
            {"parameter": "", "detail": "Send text in UTF-8, with at most 50 parameters."}
        ) from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid({"parameter": _name(twice), "detail": "Give this parameter once."})
    return parameters


NO_MEMBER = "There is no such member here."
NO_PARAMETER = "There is no such parameter here."


def validated(
    adapter: TypeAdapter[Any],
    value: Any,
    place: Callable[..., dict[str, str]],
    unknown: Callable[[str], str] = lambda name: NO_MEMBER,
) -> Any:
    """Return what the adapter makes of a value.

    Args:
        adapter: the schema.
        value: what was sent.
        place: returns where in the request a path of the schema is.
        unknown: returns what is said of a name that the schema does not have.

    Raises:
        ApiProblem: 422 with every error, its place, and none of the input.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    raise invalid(*({**place(*each["loc"]), "detail": _detail(each, unknown)} for each in found))


_DETAILS = {
    "missing": "This is required.",
    "string_type": "Enter a text.",
    "dict_type": "Give an object.",
    "model_type": "Give an object.",
    "bool_type": "Give true or false.",
}


def _detail(error: ErrorDetails, unknown: Callable[[str], str]) -> str:
    """Return what would be acceptable. Pydantic's own words are meant for programmers in Python."""
    match error["type"]:
        case "unacceptable":
            return f"{error['msg'].removesuffix('.')}."
        case "extra_forbidden":
            return unknown(str(error["loc"][-1]))
        case "enum" | "literal_error":
            values = error["ctx"]["expected"].replace("'", "")
            return f"Give {values}."
        case type:
            return _DETAILS.get(type, "This value is not acceptable here.")


def pointer_in_body(*path: str | int) -> dict[str, str]:
    """Return where in a body something is, as an error tells it."""
    return {"pointer": pointer(*(part if isinstance(part, int) else _name(part) for part in path))}


def pointer_in_query(*path: str | int) -> dict[str, str]:
    """Return where in a query something is, as an error tells it."""
    return {"parameter": _name(str(path[0]))}


def _name(name: str) -> str:
    """Return a name that a client made up, if it is short enough to be one."""
    return name if len(name) <= 100 else "?"


def unknown_field(name: str) -> ApiProblem:
    """Return the refusal of a parameter that there is not."""
    return invalid({"parameter": _name(name), "detail": NO_PARAMETER})
