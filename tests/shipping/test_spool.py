"""The spool on a real file system: what is durable, what is refused, what is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from trouble import files_no_larger_than

from otel_killsnoop.errors import SpoolError
from otel_killsnoop.model import Request
from otel_killsnoop.shipping.packing import unpack
from otel_killsnoop.shipping.queue import BLOCK, Entry, parse
from otel_killsnoop.shipping.spool import Spool


def files(path: Path) -> list[str]:
    return sorted(one.name for one in path.glob("*.otlp.gz"))


def everything(spool: Spool) -> list[bytes]:
    """Take, read and acknowledge all that is in it."""
    taken = []
    while (entry := spool.oldest()) is not None:
        taken.append(unpack(spool.read(entry)))
        spool.acknowledge(entry)
    return taken


def test_requests_come_out_in_order_as_they_went_in(spool: Spool) -> None:
    bodies = [bytes([n]) * n for n in range(1, 14)]
    for body in bodies:
        spool.put(Request(body, 3))
    assert spool.counts().on_disk == spool.counts().spooled == 39
    assert everything(spool) == bodies
    counts = spool.counts()
    assert (counts.delivered, counts.on_disk) == (39, 0)


def test_a_restart_finds_all_and_goes_on_behind_it(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as first:
        for body in (b"one", b"two", b"three"):
            first.put(Request(body, 5))
        entry = first.oldest()
        assert entry is not None
        first.acknowledge(entry)
        first.oldest()  # in flight when it ends
    with Spool(tmp_path / "s") as second:
        assert second.counts().recovered == second.counts().on_disk == 10
        second.put(Request(b"four", 5))
        assert everything(second) == [b"two", b"three", b"four"]
        counts = second.counts()
        assert counts.recovered + counts.spooled == counts.delivered == 15


def test_modes_and_names(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Spool(tmp_path / "deep" / "s") as spool:
            spool.put(Request(b"x" * 1000, 512))
            assert (tmp_path / "deep" / "s").stat().st_mode & 0o777 == 0o700
            (name,) = files(tmp_path / "deep" / "s")
            status = (tmp_path / "deep" / "s" / name).stat()
            assert status.st_mode & 0o777 == 0o600
            entry = parse(name)
            assert entry is not None
            assert (entry.records, entry.size) == (512, status.st_size)
            assert len(name.split("-")[0]) == 20
    finally:
        os.umask(old)


def test_the_same_body_makes_the_same_file(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        with Spool(tmp_path / name) as spool:
            spool.put(Request(b"body" * 1000, 1))
            entry = spool.oldest()
            assert entry is not None
            contents.append(spool.read(entry))
    assert contents[0] == contents[1]
    assert contents[0][4:8] == bytes(4), "a time is in the gzip header"


def test_a_request_without_records_is_a_mistake(spool: Spool) -> None:
    with pytest.raises(ValueError, match="without records"):
        spool.put(Request(b"", 0))


def test_the_limit_evicts_the_oldest_that_is_not_in_flight(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", limit=3 * BLOCK) as spool:
        for number in range(1, 4):
            spool.put(Request(b"%d" % number, number))
        in_flight = spool.oldest()
        assert in_flight is not None
        spool.put(Request(b"4", 4))
        counts = spool.counts()
        assert (counts.evicted, counts.on_disk) == (2, 1 + 3 + 4)
        assert len(files(tmp_path / "s")) == 3
        assert everything(spool) == [b"1", b"3", b"4"]


def test_what_cannot_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", limit=BLOCK, memory=0) as spool:
        spool.put(Request(b"1", 1))
        spool.oldest()
        with pytest.raises(SpoolError, match="raise --spool-limit"):
            spool.put(Request(b"2", 1))
        spool.abandon(1)
        counts = spool.counts()
        assert (counts.spooled, counts.unspooled, counts.evicted, counts.on_disk) == (1, 1, 0, 1)


def test_a_second_agent_is_told_so(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(SpoolError, match=r"another agent uses .*--spool-dir"):
        Spool(tmp_path / "spool")
    spool.close()
    Spool(tmp_path / "spool").close()


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from otel_killsnoop.shipping.spool import Spool\n"
        "from otel_killsnoop.model import Request\n"
        "spool = Spool(sys.argv[1]); spool.put(Request(b'kept', 7)); spool.oldest()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    assert ended.returncode == -9
    with Spool(tmp_path / "s") as spool:
        assert spool.counts().recovered == 7
        assert everything(spool) == [b"kept"]


@pytest.mark.parametrize("what", ["directory", "file", "lock", "rejected"])
def test_symbolic_links_are_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "s"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if what == "directory":
        path.symlink_to(elsewhere)
    else:
        path.mkdir(mode=0o700)
        name = "00000000000000000001-1-5.otlp.gz" if what == "file" else what
        target = elsewhere if what == "rejected" else elsewhere / "target"
        (path / name).symlink_to(target)
    with pytest.raises(SpoolError, match="symbolic link"):
        Spool(path)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s").chmod(mode)
    with pytest.raises(SpoolError, match=r"others may write .*0700"):
        Spool(tmp_path / "s")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o700)
    os.chown(tmp_path / "s", 12345, 12345)
    with pytest.raises(SpoolError, match="owned by uid 12345"):
        Spool(tmp_path / "s")


def test_a_place_that_cannot_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SpoolError, match=r"not a directory.*--spool-dir"):
            Spool(path)
    with pytest.raises(SpoolError, match="--spool-dir"):
        Spool("/proc/self/spool")


def test_what_does_not_belong_is_set_aside_once(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Spool(path) as spool:
        spool.put(Request(b"torn" * 999, 10))
        spool.put(Request(b"good", 20))
    torn, _ = files(path)
    os.truncate(path / torn, 9)
    (path / "00000000000000000001-1-0.otlp.gz").touch()
    (path / "00000000000000000002-0-3.otlp.gz").write_bytes(b"abc")
    (path / "99999999999999999999-1-3.otlp.gz").write_bytes(b"abc")
    (path / "a note\n\xff").write_text("hello")
    (path / "00000000000000000003-1-4096.otlp.gz").mkdir()
    (path / "lost+found").mkdir()
    os.mkfifo(path / "a pipe")
    (path / "unfinished.tmp").write_bytes(b"half a request")
    for start in range(2):
        with Spool(path) as spool:
            assert spool.set_aside_files == (0 if start else 7)
            counts = spool.counts()
            assert (counts.recovered, counts.rejected) == ((20, 0) if start else (30, 10))
            assert counts.on_disk == 20
    assert len(list((path / "set-aside").iterdir())) == 7
    assert not (path / "unfinished.tmp").exists()
    assert (path / "lost+found").exists()


def test_names_taken_in_set_aside_do_not_overwrite(tmp_path: Path) -> None:
    for content in ("first", "second", "third"):
        (tmp_path / "s").mkdir(mode=0o700, exist_ok=True)
        (tmp_path / "s" / "note").write_text(content)
        Spool(tmp_path / "s").close()
    kept = {one.read_text() for one in (tmp_path / "s" / "set-aside").iterdir()}
    assert kept == {"first", "second", "third"}


def test_set_aside_in_flight_counts_as_rejected(tmp_path: Path, spool: Spool) -> None:
    spool.put(Request(b"a", 4))
    spool.put(Request(b"b", 5))
    entry = spool.oldest()
    assert entry is not None
    (tmp_path / "spool" / entry.name).unlink()  # by somebody else: still no loop
    with pytest.raises(SpoolError, match="No such file"):
        spool.read(entry)
    spool.set_aside(entry, "gone")
    assert everything(spool) == [b"b"]
    counts = spool.counts()
    assert (counts.rejected, counts.delivered, counts.on_disk) == (4, 5, 0)


def test_only_the_file_in_flight_can_be_decided(spool: Spool) -> None:
    spool.put(Request(b"a", 4))
    with pytest.raises(ValueError, match="not in flight"):
        spool.acknowledge(Entry(1, 4, 1))
    assert spool.counts().on_disk == 4


def test_the_newest_rejected_are_kept_with_their_answer(tmp_path: Path, spool: Spool) -> None:
    spool.put(Request(b"a", 100))
    entry = spool.oldest()
    assert entry is not None
    for index in range(100):
        spool.keep_rejected(entry, index, b"record %d" % index, f"HTTP 400 {index}\udcff")
    names = sorted(one.name for one in (tmp_path / "spool" / "rejected").iterdir())
    assert len(names) == 128
    assert names[0].endswith("-000036.otlp.gz")
    last = tmp_path / "spool" / "rejected" / names[-1]
    assert last.read_text() == "HTTP 400 99\\udcff\n"
    spool.close()
    with Spool(tmp_path / "spool") as again:
        entry = again.oldest()
        assert entry is not None
        again.keep_rejected(entry, 100, b"record", "why")
        assert len(list((tmp_path / "spool" / "rejected").iterdir())) == 128


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """A file size limit stands in for a full disk: the first bytes go in, the rest does not."""
    with Spool(tmp_path / "spool", memory=0) as spool:
        spool.put(Request(b"before", 2))
        with (
            files_no_larger_than(5000),
            pytest.raises(SpoolError, match=r"File too large.*\.otlp\.gz"),
        ):
            spool.put(Request(os.urandom(20_000), 3))
        assert sorted(one.name for one in (tmp_path / "spool").iterdir())[1:] == [
            "ledger",
            "lock",
            "rejected",
            "set-aside",
        ]
        assert spool.counts().spooled == spool.counts().on_disk == 2
        spool.put(Request(b"after", 4))
        assert everything(spool) == [b"before", b"after"]


def test_use_after_close_is_an_error_of_ours(spool: Spool) -> None:
    spool.put(Request(b"a", 1))
    spool.close()
    with pytest.raises(SpoolError):
        spool.put(Request(b"b", 1))
