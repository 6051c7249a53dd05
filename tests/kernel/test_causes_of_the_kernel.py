"""Signals that the kernel raises for what a program did or asked for: nobody else is named."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from raised import NAME, one_to, run, to, told
from real_collector import wait_until
from running_agent import RunningAgent

pytestmark = pytest.mark.kernel

FAULTS = {
    "null": ("ctypes.string_at(8)", 11, "SEGV_MAPERR", "null_page"),
    "elsewhere": ("ctypes.string_at(0x123456789000)", 11, "SEGV_MAPERR", "other"),
    "read only": ("libc.mmap.restype = ctypes.c_void_p; address = libc.mmap(None, 4096, 1, 0x22, "
                  "-1, 0); assert ctypes.string_at(address, 1) == bytes(1); "
                  "ctypes.memset(address, 1, 1)", 11, "SEGV_ACCERR", "other"),
    "bus": ("f = open('/tmp/' + str(os.getpid()), 'w+b'); os.unlink(f.name); f.truncate(4096); "
            "m = mmap.mmap(f.fileno(), 4096); f.truncate(0); m[0]", 7, "BUS_ADRERR", "other"),
    "division": ("machine('31c9 31c0 31d2 f7f1 c3')(0, 0, 0, 0, 0)", 8, "FPE_INTDIV", None),
    "instruction": ("machine('0f0b')(0, 0, 0, 0, 0)", 4, "ILL_ILLOPN", None),
    "breakpoint": ("machine('cc c3')(0, 0, 0, 0, 0)", 5, "SI_KERNEL", None),
    "seccomp": ("libc.prctl(38, 1, 0, 0, 0); "
                "rules = ctypes.create_string_buffer(struct.pack('HBBIHBBIHBBIHBBI', 0x20, 0, 0, 0,"
                " 0x15, 0, 1, 110, 6, 0, 0, 0x30000, 6, 0, 0, 0x7fff0000)); "
                "libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, "
                "ctypes.addressof(rules))), 0, 0); os.getppid()", 31, "SYS_SECCOMP", None),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_has_no_sender(everything: RunningAgent, case: str) -> None:
    lines, number, code, address = FAULTS[case]
    process, _ = run(lines)
    assert process.returncode == -number
    record = one_to(everything, process.pid, number)
    assert told(record) == ("fault", None, None)
    assert code in (None, record["killsnoop.signal.code"])
    assert record.get("killsnoop.signal.fault.address") == address
    assert record["severity"] == "ERROR"
    # The address itself is nobody's business.
    assert not any("123456789000" in str(value) for key, value in record.items()
                   if "command" not in key)  # fmt: skip


def test_abort_is_the_process_itself(everything: RunningAgent) -> None:
    process, _ = run("os.abort()")
    record = one_to(everything, process.pid, signal.SIGABRT)
    assert told(record) == ("fault", process.pid, "tgkill")


def test_a_closed_pipe_and_a_file_too_long_are_the_writers_own(everything: RunningAgent) -> None:
    lines = "signal.signal(13, signal.SIG_DFL); r, w = os.pipe(); os.close(r); os.write(w, b'x')"
    process, _ = run(lines)
    assert process.returncode == -signal.SIGPIPE
    record = one_to(everything, process.pid, signal.SIGPIPE)
    assert told(record)[:2] == ("pipe", process.pid)
    process, _ = run(
        "signal.signal(25, signal.SIG_DFL); resource.setrlimit(1, (10, 10)); "
        "f = open('/tmp/' + str(os.getpid()), 'wb', 0); os.unlink(f.name); f.write(b'x' * 10); "
        "f.write(b'x')"
    )
    assert process.returncode == -signal.SIGXFSZ
    record = one_to(everything, process.pid, signal.SIGXFSZ)
    assert told(record)[:2] == ("filesize", process.pid)


TIMER_CREATE = (
    "timer = ctypes.c_int(); event = ctypes.create_string_buffer(struct.pack('qii', 0, 12, 0), 64);"
    "signal.signal(12, signal.SIG_IGN); assert not libc.timer_create({clock}, event, "
    "ctypes.byref(timer)); assert not libc.timer_settime(timer.value, 0, ctypes.create_string_"
    "buffer(struct.pack('qqqq', 0, 0, 0, 3000000)), None); {spend}"
)
BUSY = "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
TIMERS = {
    "alarm": ("signal.signal(14, signal.SIG_IGN); signal.alarm(1); time.sleep(1.3)", 14),
    "real": ("signal.signal(14, signal.SIG_IGN); signal.setitimer(0, .01); time.sleep(.1)", 14),
    "virtual": (f"signal.signal(26, signal.SIG_IGN); signal.setitimer(1, .01)\n{BUSY}", 26),
    "profiling": (f"signal.signal(27, signal.SIG_IGN); signal.setitimer(2, .01)\n{BUSY}", 27),
    "timer_create": (TIMER_CREATE.format(clock=1, spend="time.sleep(.1)"), 12),
    "of its own time": (TIMER_CREATE.format(clock=2, spend=f"\n{BUSY}"), 12),
    "soft limit": ("signal.signal(24, lambda *_: sys.exit()); resource.setrlimit(0, (1, 3))\n"
                   "while True: pass", 24),
    "hard limit": ("signal.signal(24, signal.SIG_IGN); resource.setrlimit(0, (1, 1))\n"
                   "while True: pass", 9),
}  # fmt: skip


@pytest.mark.parametrize("case", TIMERS)
def test_a_timer_has_no_sender(everything: RunningAgent, case: str) -> None:
    lines, number = TIMERS[case]
    process, _ = run(lines)
    for record in to(everything, process.pid, number):
        assert told(record) == ("timer", None, None)


IO = {
    "a pipe": (
        "signal.signal(29, signal.SIG_IGN); r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, "
        "os.getpid()); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)\n"
        "child = os.fork()\nif not child: os.write(w, b'x'); os._exit(0)\n"
        "os.waitpid(child, 0); say(child)", 29),
    "a number of its own": (
        "signal.signal(12, signal.SIG_IGN); r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, "
        "os.getpid()); fcntl.fcntl(r, 10, 12); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC | "
        "os.O_NONBLOCK)\nchild = os.fork()\nif not child: os.write(w, b'x'); os._exit(0)\n"
        "os.waitpid(child, 0); say(child)", 12),
}  # fmt: skip


@pytest.mark.parametrize("case", IO)
def test_a_file_that_becomes_ready_names_who_wrote(everything: RunningAgent, case: str) -> None:
    lines, number = IO[case]
    process, (writer,) = run(lines)
    record = to(everything, process.pid, number)[0]
    assert told(record) == ("io", writer, "write")


def test_urgent_data_names_nobody_wrong(everything: RunningAgent) -> None:
    """The network's soft interrupt runs on top of whoever is there."""
    process, (sender,) = run(
        "signal.signal(23, signal.SIG_IGN); l = socket.create_server(('127.0.0.1', 0))\n"
        "a = socket.create_connection(l.getsockname()); b, _ = l.accept()\n"
        "fcntl.fcntl(b, fcntl.F_SETOWN, os.getpid()); child = os.fork()\n"
        "if not child: a.send(b'!', socket.MSG_OOB); os._exit(0)\n"
        "os.waitpid(child, 0); time.sleep(.05); say(child)"
    )
    for record in to(everything, process.pid, signal.SIGURG):
        assert record["killsnoop.signal.cause"] == "io"
        assert record.get(NAME) in (None, sender)


def test_a_message_queue_names_who_put_the_message(everything: RunningAgent) -> None:
    process, (sender,) = run(
        "signal.signal(12, signal.SIG_IGN); librt = ctypes.CDLL('librt.so.1', use_errno=True)\n"
        "name = b'/killsnoop-%d' % os.getpid()\n"
        "q = librt.mq_open(name, os.O_RDWR | os.O_CREAT, 0o600, None); librt.mq_unlink(name)\n"
        "assert q >= 0 and not librt.mq_notify(q, ctypes.create_string_buffer("
        "struct.pack('qii', 0, 12, 0), 64))\n"
        "child = os.fork()\nif not child: librt.mq_send(q, b'x', 1, 0); os._exit(0)\n"
        "os.waitpid(child, 0); say(child)"
    )
    record = one_to(everything, process.pid, signal.SIGUSR2)
    assert told(record) == ("mq", sender, "mq_timedsend")


def test_a_child_that_ends_stops_and_goes_on_tells_its_parent(everything: RunningAgent) -> None:
    process, (child,) = run(
        "child = os.fork()\nif not child: signal.pause()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [17])\n"
        "for number in (19, 18, 9): os.kill(child, number); signal.sigwait([17])\n"
        "say(child)"
    )
    for code in ("CLD_STOPPED", "CLD_CONTINUED", "CLD_KILLED"):
        record = one_to(everything, process.pid, signal.SIGCHLD, code)
        assert told(record)[:2] == ("child", child)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number is x86_64's")
def test_a_child_may_tell_it_by_another_signal(everything: RunningAgent) -> None:
    """The one that clone was given. A file closed at an end by the same signal is no end."""
    process, (child, other) = run(
        "signal.signal(12, lambda *_: None); r, w = os.pipe(); gone, held = os.pipe()\n"
        "child = libc.syscall(56, 12, 0, 0, 0, 0)\nif not child: os._exit(3)\n"
        "os.waitpid(child, 0x40000000)\n"
        "fcntl.fcntl(gone, fcntl.F_SETOWN, os.getpid()); fcntl.fcntl(gone, 10, 12)\n"
        "fcntl.fcntl(gone, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)\n"
        "other = os.fork()\nif not other: os.close(gone); os._exit(0)\n"
        "os.close(held); os.waitpid(other, 0); say(child, other)"
    )
    record = one_to(everything, process.pid, 12, "CLD_EXITED")
    assert told(record) == ("child", child, None)
    for record in to(everything, process.pid, 12, 1, "POLL_IN"):
        assert record["killsnoop.signal.cause"] != "child"
        assert record.get(NAME) in (None, other)


def test_a_dead_child_that_changes_hands_is_not_its_dying_parent(everything: RunningAgent) -> None:
    """It was dead before, and not the one that ends now."""
    process, (middle, _) = run(
        "libc.prctl(36, 1, 0, 0, 0); signal.pthread_sigmask(signal.SIG_BLOCK, [17])\n"
        "r, w = os.pipe(); middle = os.fork()\n"
        "if not middle:\n dead = os.fork()\n if not dead: os._exit(0)\n"
        " os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT); os.write(w, b'%d' % dead)\n"
        " os._exit(0)\n"
        "dead = int(os.read(r, 20)); os.waitpid(middle, 0); os.waitpid(dead, 0); say(middle, dead)"
    )
    records = to(everything, process.pid, signal.SIGCHLD, 2)
    assert len(records) == 2
    assert {one["killsnoop.signal.code"] for one in records} == {"CLD_EXITED"}
    assert sorted(told(one)[:2] for one in records if one.get(NAME)) == [("child", middle)]
    assert [told(one)[:2] for one in records if not one.get(NAME)] == [("child", None)]


def _cgroup() -> tuple[Path, str]:
    """A memory cgroup's place, and the file of its limit."""
    if Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists():
        return Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"
    return Path("/sys/fs/cgroup"), "memory.max"


EATER = (
    "open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
    "open('/proc/self/oom_score_adj', 'w').write(sys.argv[2]); kept = []\n"
)
EAT = "while True: kept.append(bytearray(1 << 20))"


@pytest.mark.parametrize("chosen", ["itself", "another"])
def test_memory_that_runs_out_blames_nobody(everything: RunningAgent, chosen: str) -> None:
    top, limit = _cgroup()
    group = top / f"killsnoop-oom-{chosen}-{os.getpid()}"
    group.mkdir()
    try:
        (group / limit).write_text(str(64 << 20))
        if chosen == "itself":
            process, _ = run(EATER + EAT, str(group), "0")
            victim = process.pid
            assert process.returncode == -signal.SIGKILL
        else:
            # Whoever asks for memory is not who has to go.
            lines = (
                EATER + "kept.append(bytearray(b'x' * (20 << 20))); child = os.fork()\n"
                "if not child:\n open('/proc/self/oom_score_adj', 'w').write('1000')\n"
                " kept.append(bytearray(b'y' * (8 << 20))); signal.pause()\n"
                "time.sleep(.2)\n"
                "while os.waitpid(child, os.WNOHANG)[0] == 0: "
                "kept.append(bytearray(b'z' * (1 << 20)))\nsay(child)"
            )
            process, (victim,) = run(lines, str(group), "-999")
        record = one_to(everything, victim, signal.SIGKILL)
        assert told(record) == ("oom", None, None)
        assert record["killsnoop.oom.anon_rss"] > 1 << 20
        assert record["killsnoop.oom.total_vm"] > record["killsnoop.oom.anon_rss"]
        assert record["killsnoop.oom.score_adj"] == (0 if chosen == "itself" else 1000)
        assert record["killsnoop.target.process.linux.cgroup"].endswith(group.name)
    finally:
        group.rmdir()


SHARED = (
    # clone(CLONE_VM | SIGCHLD) on a stack of its own; the child pauses for ever.
    "share = machine('4889fe bf11010000 31d2 4531d2 4531c0 b838000000 0f05 85c0 7401 c3 "
    "b822000000 0f05 ebf7')\n"
    "stack = mmap.mmap(-1, 65536)\n"
    "top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + 65520\n"
    "child = share(top, 0, 0, 0, 0); say(child)\n"
)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the machine code is x86_64's")
def test_who_shares_the_victims_memory_goes_with_it(everything: RunningAgent) -> None:
    top, limit = _cgroup()
    group = top / f"killsnoop-oom-shared-{os.getpid()}"
    group.mkdir()
    try:
        (group / limit).write_text(str(64 << 20))
        process, (child,) = run(EATER + SHARED + EAT, str(group), "0")
        assert process.returncode == -signal.SIGKILL
        for pid in (process.pid, child):
            assert told(one_to(everything, pid, signal.SIGKILL)) == ("oom", None, None)
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not (group / "cgroup.procs").read_text(), 20, "the cgroup to be empty")
        group.rmdir()
