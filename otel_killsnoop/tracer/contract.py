"""The contract with the kernel program (bpf/killsnoop.h), once: each member's place and code.

Every format by which its bytes are unpacked is made from this one table.
"""

from __future__ import annotations

from struct import Struct, calcsize

from otel_killsnoop.model import NUMBERS

SIGNAL, FORK, EXEC, EXIT, OOM, ATTEMPT, CGROUP = range(1, 8)  # enum killsnoop_kind
LEVELS = 4  # KILLSNOOP_LEVELS

# Each member's name and struct code, `party` and `how` standing for those structs.
_PARTY = "start Q  pid I  tid I  uid I  gid I  vpid I  flags I  cgroup Q  comm 16s"
_HOW = """
    number i  code i  error i  call i  info B  group B  result B  bits B
    disposition B  address B  detailed B  reserved x  argument Q
"""
_INNER = {"party": _PARTY, "how": _HOW}
_BY_NUMBER = f"{NUMBERS}Q"


def _members(text: str) -> dict[str, str]:
    words = text.split()
    members: dict[str, str] = {}
    for name, code in zip(words[::2], words[1::2], strict=True):
        if code in _INNER:
            members |= {f"{name}.{inner}": one for inner, one in _members(_INNER[code]).items()}
        else:
            members[name] = code
    return members


_STRUCTS = {
    "killsnoop_party": _members(_PARTY),
    "killsnoop_how": _members(_HOW),
    "killsnoop_signal": _members(
        """
        kind I  reserved 4x  time Q  source party  target party
        how how
        """
    ),
    "killsnoop_fold_key": _members(
        """
        source_start Q  target_start Q  source_pid I  target_pid I  source_flags I  source_vpid I
        how how
        """
    ),
    "killsnoop_fold": _members("since Q  seen Q  count Q  first Q  last Q"),
    "killsnoop_details": _members(
        "tty 32s  session I  namespace I  cgroup Q  orphaned I  foreign I"
    ),
    "killsnoop_fork": _members(
        """
        kind I  reserved 4x  time Q  child party
        parent_start Q  parent_pid I  parent_tid I
        real_parent_start Q  real_parent_pid I
        login_uid I  session I  levels I  level 8I
        """
    ),
    "killsnoop_exec": _members(
        """
        kind I  argc I  time Q  self party
        args_total I  args_size I  path_size I  old_tid I  login_uid I  session I
        parent_start Q  parent_pid I  reserved 4x
        """
    ),
    "killsnoop_exit": _members(
        """
        kind I  status i  time Q  start Q  pid I  tid I
        parent_start Q  parent_pid I  reserved 4x
        """
    ),
    "killsnoop_oom": _members(
        """
        kind I  reserved 4x  time Q  start Q  pid I  tid I
        total_vm Q  anon_rss Q  file_rss Q  shmem_rss Q  page_tables Q  score_adj i  reserved2 4x
        """
    ),
    "killsnoop_attempt": _members(
        """
        kind I  namespace I  time Q  source party  call i  error i  argument 3Q
        bits B  reserved 3x  pidfd I
        """
    ),
    "killsnoop_cgroup": _members("kind I  path_size I  time Q  id Q  hierarchy I  reserved 4x"),
    "killsnoop_counts": _members(
        f"""
        sequence Q  scratch Q  how how  generated {_BY_NUMBER}  filtered {_BY_NUMBER}
        folded {_BY_NUMBER}  lost {_BY_NUMBER}  submitted {_BY_NUMBER}  refused Q
        refused_span 3Q  full_span 3Q
        """
    ),
    "killsnoop_turns": _members("epoch Q  turn Q"),
    "killsnoop_table_counts": _members(
        "sequence Q  seen Q  lost Q  submitted Q  span 3Q  reserved 8x"
    ),
}


def _placed(members: dict[str, str]) -> dict[str, tuple[int, int]]:
    places = {}
    at = 0
    for name, code in members.items():
        places[name] = (at, calcsize(f"={code}"))
        at += places[name][1]
    return places


LAYOUT: dict[str, dict[str, tuple[int, int]]] = {
    name: _placed(members) for name, members in _STRUCTS.items()
}
"""Struct -> member -> (offset, size), a party's members as ``source.start``. Nothing is padded."""


def whole(name: str) -> Struct:
    """Of this struct, every member that is not reserved, in order."""
    return Struct("=" + "".join(_STRUCTS[name].values()))


def run(name: str, first: str, last: str) -> Struct:
    """Of this struct, the members from one to another."""
    members = list(_STRUCTS[name])
    chosen = members[members.index(first) : members.index(last) + 1]
    return Struct("=" + "".join(_STRUCTS[name][one] for one in chosen))


def around(name: str, first: str, last: str) -> Struct:
    """As `whole`, but the members from one to another taken together as bytes."""
    codes = {**_STRUCTS[name], first: f"{run(name, first, last).size}s"}
    members = list(codes)
    inner = members[members.index(first) + 1 : members.index(last) + 1]
    return Struct("=" + "".join(code for member, code in codes.items() if member not in inner))


def signed(argument: int) -> int:
    """A call's argument as the 32-bit number that the kernel takes it for."""
    return (argument & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
