"""config/seccomp.json, the system calls of the agent: written into the unit, held against traces.

    python3 tools/seccomp.py unit               the unit's SystemCallFilter, from the profile
    python3 tools/seccomp.py compare TRACE...   what `strace -f -o TRACE` saw, and the profile

The profile is the one list. What its rules allow was seen in runs on x86_64 with glibc; those whose
comment begins with "variant" are the same on other machines and with other libraries.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

PROFILE = Path(__file__).resolve().parent.parent / "config" / "seccomp.json"
_CALL = re.compile(r"^(?:[0-9]+ +)?(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed>)")


def allowed(*kinds: str) -> set[str]:
    """The names in the rules of these kinds: ``used``, ``variant``."""
    rules = json.loads(PROFILE.read_text("utf-8"))["syscalls"]
    return {name for rule in rules if _kind(rule) in kinds for name in rule["names"]}


def _kind(rule: dict[str, object]) -> str:
    return "variant" if str(rule["comment"]).startswith("variant:") else "used"


def called(traces: Iterable[Path]) -> set[str]:
    """The names of the calls in outputs of strace."""
    lines = (line for path in traces for line in path.read_text("utf-8", "replace").splitlines())
    return {match[1] for match in map(_CALL.match, lines) if match}


def unit() -> str:
    """The lines of a systemd unit that allow the agent's calls and no others."""
    words = " ".join(sorted(allowed("used", "variant")))
    return "\n".join(f"SystemCallFilter={line}" for line in textwrap.wrap(words, 80))


def main(arguments: list[str]) -> int:
    match arguments:
        case ["unit"]:
            print(unit())
        case ["compare", _, *_]:
            seen = called(map(Path, arguments[1:]))
            missing, unused = seen - allowed("used", "variant"), allowed("used") - seen
            print("not allowed:", *sorted(missing))
            print("never seen: ", *sorted(unused))
            return bool(missing)
        case _:
            print("usage: seccomp.py unit | seccomp.py compare TRACE...", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
