"""User names from the host's passwd file, followed as it changes."""

from __future__ import annotations

import pathlib

from hypothesis import given
from hypothesis import strategies as st

from otel_killsnoop.processes.users import Users, parse


def test_names_follow_the_file(tmp_path: pathlib.Path) -> None:
    now = [0.0]
    users = Users(str(tmp_path), lambda: now[0])
    assert users.name(0) is None
    (tmp_path / "etc").mkdir()
    passwd = tmp_path / "etc/passwd"
    passwd.write_text("root:x:0:0:root:/root:/bin/sh\n")
    assert users.name(0) is None  # not looked at more than once a second
    now[0] += 2
    assert users.name(0) == "root"
    passwd.write_text("admin:x:0:0::/:/bin/sh\nbob:x:1000:1000::/:\n")
    now[0] += 2
    assert (users.name(0), users.name(1000), users.name(7)) == ("admin", "bob", None)
    passwd.unlink()
    now[0] += 2
    assert users.name(1000) is None


def test_the_first_name_of_a_uid_counts_and_bad_lines_do_not() -> None:
    content = (
        b"# comment\n\na:x:5:5::/:\nb:x:5:5::/:\n:x:6::::\nc:x:seven:\n+::::::\nd:x:8\n\xff:x:9\n"
    )
    assert parse(content) == {5: "a", 8: "d", 9: "\ufffd"}


@given(st.binary())
def test_any_bytes_are_a_file(content: bytes) -> None:
    assert all(isinstance(name, str) for name in parse(content).values())
