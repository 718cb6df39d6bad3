"""What OpenAPI tells of texts: exactly what the rules accept."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValue
from domain.values import TextRule
from entrypoints.web.schema_types import text

PIECES = (
    *"ab é\t\n\v\x1c\x85\xa0\u2028\u3000\x01\x7f\x9f",
    *"\xad\u200b\u2800\u3164\ufe0f\ufeff\U0001d159\U000e0041",
)


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("least", [0, 1, 2])
@given(sent=st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
def test_a_pattern_in_the_document_matches_what_is_accepted(
    least: int, lines: bool, sent: str
) -> None:
    rule = TextRule(least, 10, lines)
    try:
        rule(sent)
        accepted = True
    except InvalidValue:
        accepted = False
    told = text(rule).json_schema
    assert (re.search(told["pattern"], sent) is not None) == accepted
    assert told.get("minLength", 0) == least
