"""The build product: what is no program of this contract is refused, with the way to make one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_killsnoop.errors import ProgramError
from otel_killsnoop.tracer import program

Content = dict[str, Any]


def _first(content: Content) -> Content:
    one: Content = content["programs"]["on_signal"]
    return one


def _set(content: Content, **changes: object) -> Content:
    _first(content).update(changes)
    return content


def _without(content: Content, *names: str) -> Content:
    for name in names:
        content = {key: value for key, value in content.items() if key != name}
    return content


def _no_exit(content: Content) -> Content:
    del content["programs"]["on_exit_raw"]
    return content


DAMAGED: dict[str, Callable[[Content], object]] = {
    "another contract": lambda content: content | {"contract": program.CONTRACT + 1},
    "no contract": lambda content: _without(content, "contract"),
    "no tag": lambda content: _without(content, "tag"),
    "no programs": lambda content: _without(content, "programs"),
    "a list of programs": lambda content: content | {"programs": [1]},
    "one program less": _no_exit,
    "a list": lambda content: [content],
    "nothing": lambda content: None,
    "no base64": lambda content: _set(content, code="no base64!"),
    "half an instruction": lambda content: _set(
        content, code=base64.b64encode(base64.b64decode(_first(content)["code"])[:-4]).decode()
    ),
    "no code": lambda content: _set(content, code=""),
    "code of another type": lambda content: _set(content, code=7),
    "a place behind the end": lambda content: _set(content, places=[[1 << 20, "map_ring"]]),
    "a place before the start": lambda content: _set(content, places=[[-1, "map_ring"]]),
    "a place without a name": lambda content: _set(content, places=[[0]]),
    "a place that is no number": lambda content: _set(content, places=[["x", "map_ring"]]),
    "no casts": lambda content: (
        content
        | {"programs": {name: _without(one, "casts") for name, one in content["programs"].items()}}
    ),
    "a cast behind the end": lambda content: _set(content, casts=[1 << 20]),
    "places of another type": lambda content: _set(content, places=7),
}


def refused(path: Path) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        program.load(path)
    assert caught.value.exit_code == 78
    assert str(path) in str(caught.value)
    assert "make setup" in caught.value.cure
    assert "otel_killsnoop.tracer.compile" in caught.value.cure
    return caught.value


def test_a_missing_product_says_how_to_make_it(tmp_path: Path) -> None:
    assert "missing" in refused(tmp_path / "killsnoop.bpf.json").what


def test_a_product_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path).what  # a directory


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\0", b"[" * 100], ids=repr)
def test_what_is_no_json_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "product"
    path.write_bytes(content)
    assert "cannot read" in refused(path).what


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_product_is_refused(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "product"
    path.write_text(json.dumps(DAMAGED[damage](json.loads(program.PRODUCT.read_bytes()))))
    refused(path)


@pytest.mark.parametrize("cut", [1, 100, 10_000])
def test_a_product_that_was_cut_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "product"
    path.write_bytes(program.PRODUCT.read_bytes()[:-cut])
    refused(path)


def test_a_symbol_without_a_value_is_refused_by_its_name() -> None:
    one = program.load().programs["on_fork"]
    values = dict.fromkeys(one.symbols() - {"task_tgid"}, 1)
    with pytest.raises(ProgramError, match=r"on_fork.*task_tgid"):
        one.filled(values)
