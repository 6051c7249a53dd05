"""What few signals have beside their facts and parties -> attributes, and words of an attempt."""

from __future__ import annotations

from collections.abc import Callable

from otel_killsnoop.model import Details
from otel_killsnoop.records.bounds import NAME_BYTES, cut, utf8, utf8_text
from otel_killsnoop.records.envelope import uid
from otel_killsnoop.records.process import Named, precise

CGROUP_BYTES = 1024
CGROUP = "killsnoop.signal.cgroup"

CgroupPath = Callable[[int], str | None]
"""Path of the cgroup with this kernfs id, None when it is not known."""


def describe(
    details: Details, boot_id: str, path_of: CgroupPath, offset_ns: int = 0
) -> tuple[Named, list[str]]:
    """The log attributes of these details, by their full names, and names of what was cut.

    offset_ns: what to add to boot time for unix time.
    """
    values: Named = []
    shortened = []
    if details.tty:
        values.append(("killsnoop.signal.tty", cut(utf8(details.tty), NAME_BYTES)))
    if details.session_pid:
        values.append(("killsnoop.signal.session.pid", details.session_pid))
    if details.namespace:
        values.append(("killsnoop.signal.namespace", details.namespace))
    if details.cgroup and (path := path_of(details.cgroup)) is not None:
        whole = utf8_text(path)
        values.append((CGROUP, cut(whole, CGROUP_BYTES)))
        if len(whole) > CGROUP_BYTES:
            shortened.append(CGROUP)
    if details.argument is not None:
        values.append(("killsnoop.signal.argument", details.argument))
    if details.group_id:
        values.append(("killsnoop.signal.group.id", uid(boot_id, details.group_id)))
    if details.group_size:
        values.append(("killsnoop.signal.group.size", details.group_size))
    if details.repeats:
        last = details.last + offset_ns
        values.append(("killsnoop.signal.count", details.repeats))
        values.append(("killsnoop.signal.last_time", precise(last).encode()))
    if details.oom is not None:
        values += [(f"killsnoop.oom.{part}", size) for part, size in details.oom._asdict().items()]
    return values, shortened


def aim(call: str | None, details: Details | None) -> bytes | None:
    """Whom an attempt meant that met no process, by the call's argument; None if unknown.

    ``77``, ``group 77``, ``its group``, ``all processes``, ``descriptor 5``.
    """
    argument = details.argument if details else None
    if argument is None:
        return None
    if call == "pidfd_send_signal":
        return b"descriptor %d" % argument
    if call != "kill" or argument > 0:
        return b"%d" % argument
    if argument == 0:
        return b"its group"
    return b"all processes" if argument == -1 else b"group %d" % -argument
