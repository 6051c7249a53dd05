"""Texts and arrays are cut at their limits, and stay valid."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_killsnoop.records.bounds import array_size, cut, cut_array, utf8, utf8_text


@given(st.binary(max_size=300), st.integers(0, 300))
@example("€".encode() * 4, 4)
def test_a_cut_never_splits_a_character(raw: bytes, limit: int) -> None:
    whole = utf8(raw)
    part = cut(whole, limit)
    assert len(part) <= limit
    assert whole.decode().startswith(part.decode())
    assert len(part) == len(whole) or len(whole.decode()[: len(part.decode()) + 1].encode()) > limit


@given(st.text(st.characters(), max_size=30))
@example("\ud83d\ude00 \udc80 \ud800")
def test_any_text_becomes_valid(text: str) -> None:
    made = utf8_text(text).decode()
    if text.isascii():
        assert made == text
    assert "\ufffd" in made or made == text


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=8), st.integers(2, 200)
)
@settings(max_examples=300)
def test_an_array_is_cut_at_its_limit_and_no_earlier(words: list[str], limit: int) -> None:
    values = tuple(word.encode() for word in words)
    kept = cut_array(values, limit)
    assert (kept is values) == (array_size(values) <= limit)
    assert array_size(kept) <= limit
    *firsts, last = kept or (b"",)
    assert tuple(firsts) == values[: len(firsts)]
    assert kept == () or values[len(firsts)].startswith(last)
    if kept and last != values[len(kept) - 1]:
        longer = values[len(kept) - 1].decode()[: len(last.decode()) + 1].encode()
        assert array_size((*firsts, longer)) > limit
