"""JSON lines: the flat dict, whole, in its order, one object a line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_signals import BOOT_ID, OFFSET, RESOURCE, death, joined, lineage, process, usual_lineage

from otel_killsnoop.records.flat import Flattener

Shown = Callable[..., str]
ONE = joined(None, lineage(process()))
VALUE = (
    st.integers(-(2**63), 2**64)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.lists(st.text(st.characters(exclude_categories=["Cs"])))
    | st.lists(st.integers(0, 2**64))
)


def test_a_real_record_is_printed_with_its_names_in_its_order(shown: Shown) -> None:
    one = joined(usual_lineage(process(pid=42), 8), usual_lineage(process(), 3))
    flat = Flattener(RESOURCE, BOOT_ID, 8, OFFSET).flat(one, OFFSET)
    line = shown("json", one, 8, flat)
    assert line == json.dumps(flat, ensure_ascii=False) + "\n"
    assert list(json.loads(line).items()) == list(flat.items())


def test_a_death_is_printed_likewise(shown: Shown) -> None:
    one = death(usual_lineage(process(), 3), killer=7)
    flat = Flattener(RESOURCE, BOOT_ID, 8, OFFSET).flat_death(one, OFFSET)
    line = shown("json", one, 8, flat)
    assert line == json.dumps(flat, ensure_ascii=False) + "\n"
    assert '"killsnoop.exit.core_dumped": false, "killsnoop.exit.run_time": 12.304118222' in line


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUE))
def test_any_values_come_back_and_nothing_steers_a_terminal(
    shown: Shown, flat: dict[str, object]
) -> None:
    line = shown("json", ONE, 8, flat)
    assert list(json.loads(line).items()) == list(flat.items())
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_text_is_readable_and_only_what_must_be_is_escaped(shown: Shown) -> None:
    line = shown("json", ONE, 8, {"a": "é日本\n\x7f\x9b\u202e\U000e0001"})
    assert line == '{"a": "é日本\\n\\u007f\\u009b\\u202e\\udb40\\udc01"}\n'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\udcffb", "a\ufffdb"),
        (["\ud800"], ["\ufffd"]),
        (b"\xff", "\ufffd"),
        (None, None),
        (frozenset(), "frozenset()"),
    ],
)
def test_values_that_records_never_makes_are_printed_too(
    shown: Shown, value: object, expected: object
) -> None:
    assert json.loads(shown("json", ONE, 8, {"a": value})) == {"a": expected}


def test_without_a_flat_dict_the_object_is_empty(shown: Shown) -> None:
    assert shown("json", ONE, 8, None) == "{}\n"
