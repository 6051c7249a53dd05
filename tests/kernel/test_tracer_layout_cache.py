"""What is known of the kernel: read once, kept in a file that is believed only where it is ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from doctored import CACHE, doctored

from otel_killsnoop.errors import KernelError
from otel_killsnoop.tracer import layout

pytestmark = pytest.mark.kernel


def test_the_second_start_reads_the_file_and_not_btf(tmp_path: Path) -> None:
    cache = tmp_path / "made" / "here"
    changed = doctored(cache, task_pid=123_456)
    assert layout.of_kernel(str(cache)) == changed != layout.of_kernel(None)
    assert cache.stat().st_mode & 0o777 == 0o700
    assert (cache / CACHE).stat().st_mode & 0o777 == 0o600
    assert [one.name for one in cache.iterdir()] == [CACHE]


@pytest.mark.parametrize(
    "case", ["directory of all", "directory of a group", "another's directory", "a link to it"]
)
def test_a_directory_where_others_write_is_not_believed(tmp_path: Path, case: str) -> None:
    cache = tmp_path / "cache"
    doctored(cache, task_pid=123_456)
    content = (cache / CACHE).read_bytes()
    if case == "directory of all":
        cache.chmod(0o777)
    elif case == "directory of a group":
        cache.chmod(0o770)
    elif case == "another's directory":
        os.chown(cache, 65534, 65534)
    else:
        real = cache.rename(tmp_path / "real")
        cache.symlink_to(real)
    assert layout.of_kernel(str(cache)) == layout.of_kernel(None)
    assert (cache / CACHE).read_bytes() == content  # nor is anything written there


@pytest.mark.parametrize(
    "case",
    [
        *("file of all", "another's file", "a link", "cut", "empty", "no JSON", "a list"),
        *("other kernel", "negative", "boolean", "text", "no layout"),
    ],
)
def test_a_file_that_is_not_as_we_left_it_is_made_anew(tmp_path: Path, case: str) -> None:
    cache = tmp_path / "cache"
    doctored(cache, task_pid=123_456)
    file = cache / CACHE
    content = json.loads(file.read_bytes())
    if case == "file of all":
        file.chmod(0o666)
    elif case == "another's file":
        os.chown(file, 65534, 65534)
    elif case == "a link":
        file.symlink_to(file.rename(tmp_path / "elsewhere"))
    elif case in ("cut", "empty"):
        file.write_bytes(file.read_bytes()[: 100 if case == "cut" else 0])
    elif case == "no JSON":
        file.write_bytes(b"\xff\0{")
    elif case == "a list":
        file.write_text(json.dumps([content]))
    elif case == "other kernel":
        file.write_text(json.dumps(content | {"key": content["key"][::-1]}))
    elif case == "no layout":
        file.write_text(json.dumps({"key": content["key"]}))
    else:
        wrong: object = {"negative": -1, "boolean": True, "text": "8"}[case]
        content["layout"]["task_pid"] = wrong
        file.write_text(json.dumps(content))
    true = layout.of_kernel(None)
    assert layout.of_kernel(str(cache)) == true
    assert json.loads(file.read_bytes())["layout"] == true
    assert not file.is_symlink()


def test_a_cache_that_cannot_be_is_done_without(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    for cache in (file, file / "below", tmp_path / ("x" * 300)):
        assert layout.of_kernel(str(cache)) == layout.of_kernel(None)


def test_a_kernel_without_btf_is_named_with_a_cure(tmp_path: Path) -> None:
    missing = tmp_path / "vmlinux"
    with pytest.raises(KernelError, match="CONFIG_DEBUG_INFO_BTF") as caught:
        layout.of_kernel(None, missing)
    assert str(missing) in str(caught.value)
    missing.write_bytes(b"\x9f\xeb\x01\0 and no more")
    with pytest.raises(KernelError, match="report it"):
        layout.of_kernel(None, missing)
