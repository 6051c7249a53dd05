"""How a signal came about and what came of it -> the words that the tree view has for that."""

from __future__ import annotations

from otel_killsnoop.model import Death, Details, Facts, OomSizes, text

# Codes that say no more than cause and call do.
_PLAIN_CODES = frozenset({"SI_USER", "SI_KERNEL", "SI_TKILL", "SI_QUEUE", "SI_TIMER"})

_SESSION = {"leader_exit": "its session's leader exited", "orphaned_group": "its group is orphaned"}
_SIZE_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_TIME_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000))

_CORE_DUMPED = 0x80  # in a status, beside the signal's number
_SHELL_BASE = 128  # what a shell adds to that number

NONE = Details()


def outcome(facts: Facts) -> str:
    """``delivered``, ``delivered, handled``, ``refused, EPERM``."""
    more = facts.error if facts.result == "refused" else facts.disposition
    if more is None or more in ("default", facts.result):
        return facts.result
    return f"{facts.result}, {more}"


def aim(facts: Facts, details: Details) -> str:
    """Whom an attempt meant that met no process, by the call's argument."""
    argument = details.argument
    if argument is None:
        return "nobody"
    if facts.call == "pidfd_send_signal":
        return f"descriptor {argument}"
    if facts.call != "kill" or argument > 0:
        return str(argument)
    if argument == 0:
        return "its group"
    return "all processes" if argument == -1 else f"group {-argument}"


def how(facts: Facts, details: Details, target_tid: int) -> list[str]:
    """Why and by what it was sent, as far as that is not said elsewhere or self-evident."""
    words = []
    if facts.cause != "user" and facts.has_source:
        words.append(facts.cause)
    if facts.call is not None:
        words.append(f"by {facts.call}")
    if facts.forged:
        words.append("forged")
    if details.repeats:
        words.append(f"{details.repeats:,} more of them")
    if details.group_size:
        everywhere = details.argument == -1
        words.append(f"1 of {details.group_size} in {'all' if everywhere else 'the group'}")
    elif facts.scope == "thread":
        words.append(f"to thread {target_tid}" if target_tid else "to a thread")
    elif facts.scope != "process":
        words.append(f"to the {facts.scope}")
    if facts.code not in _PLAIN_CODES:
        words.append(facts.code)
    return words


def particulars(facts: Facts, details: Details) -> list[str]:
    """What few signals have to tell beside that: terminal, session, namespace, address, memory."""
    words = []
    if details.tty:
        words.append(f"on {text(details.tty)}")
    if details.session_pid:
        words.append(f"session of {details.session_pid}")
    if facts.session is not None:
        words.append(_SESSION.get(facts.session, facts.session))
    if details.namespace:
        words.append(f"namespace {details.namespace}")
    if facts.address == "null_page":
        words.append("at the null page")
    if details.oom is not None:
        words += _held(details.oom)
    return words


def _held(oom: OomSizes) -> list[str]:
    sizes = (
        (oom.anon_rss, "anonymous"),
        (oom.file_rss, "of files"),
        (oom.shmem_rss, "shared"),
        (oom.page_tables, "page tables"),
        (oom.total_vm, "virtual"),
    )
    words = [f"{in_bytes(size)} {what}" for size, what in sizes if size]
    return [*words, f"score {oom.score_adj:+d}"] if oom.score_adj else words


def in_bytes(size: int) -> str:
    """``512 B``, ``2.1 MiB``."""
    for unit, one in _SIZE_UNITS:
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size} B"


def ending(death: Death) -> tuple[int, int, bool]:
    """The signal that it died of, its exit code as a shell shows it, whether it dumped core."""
    number = death.status & 0x7F
    return number, _SHELL_BASE + number, bool(death.status & _CORE_DUMPED)


def lasted(run_time: int) -> str:
    """Nanoseconds for people, as the record's body has them: ``5 ms``, ``12.3 s``, ``3.5 min``."""
    ms = run_time // 1_000_000
    if ms < 1000:
        return f"{ms} ms"
    for unit, size in _TIME_UNITS:
        if ms >= 2 * size:
            return f"{ms / size:.1f} {unit}"
    return f"{ms / 1000:.1f} s"
