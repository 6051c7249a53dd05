"""How refused calls are seen: at the end of the six system calls that send signals.

By fexit, which costs no other call anything, where the kernel has trampolines. Else, if that is
wished in any case, at the end of every system call: each pays some 86 ns for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from otel_killsnoop.errors import HostError, KernelError
from otel_killsnoop.tracer import bpf
from otel_killsnoop.tracer.members import FUNCTIONS, TRACEPOINTS
from otel_killsnoop.tracer.program import Product


def link(descriptor: int, tracepoint: str, direct: bool) -> int:
    """Attach to a tracepoint; `KernelError` when the kernel will not."""
    try:
        return bpf.attach(descriptor, "" if direct else tracepoint)
    except OSError as error:
        what = f"cannot attach, {error.strerror}"
        raise KernelError(what, f"tracepoint {tracepoint}", "report it with `uname -r`") from error


class Attempts:
    """known: the kernel's layout.  values: of every symbol.  direct: whether tp_btf is used."""

    def __init__(
        self, product: Product, known: Mapping[str, int], values: Mapping[str, int], direct: bool
    ) -> None:
        self._product = product
        self._known = known
        self._values = values
        self._direct = direct

    def attach(
        self,
        wish: str,
        programs: dict[str, int],
        links: dict[str, int],
        opened: contextlib.ExitStack,
    ) -> str:
        """Attach as wished (``off``, ``auto``, ``on``); returns ``off``, ``fexit``, ``sys_exit``.

        What is opened is added to programs and links; `KernelError` when ``on`` is not possible.
        """
        if wish == "off" or not self._known.get("regs_call"):
            return "off"
        if self._direct and self._by_function(programs, links, opened):
            return "fexit"
        if wish == "auto":
            return "off"
        name = "on_attempt" if self._direct else "on_attempt_raw"
        descriptor = bpf.load_program(
            bpf.TRACING if self._direct else bpf.RAW_TRACEPOINT,
            self._product.programs[name].filled(self._values),
            "killsnoop_try",
            self._known["at_attempt"] if self._direct else 0,
            bpf.TRACE_RAW_TP if self._direct else 0,
        )
        opened.callback(os.close, descriptor)
        programs["attempt"] = descriptor
        links["attempt"] = link(descriptor, TRACEPOINTS["attempt"], self._direct)
        return "sys_exit"

    def _by_function(
        self, programs: dict[str, int], links: dict[str, int], opened: contextlib.ExitStack
    ) -> bool:
        """Whether a program hangs on every function that there is; else on none."""
        code = self._product.programs["on_attempt"].filled(self._values)
        with contextlib.ExitStack() as held:
            made: dict[str, tuple[int, int]] = {}
            for name in FUNCTIONS:
                if name not in self._known:
                    continue
                try:
                    program = bpf.load_program(
                        bpf.TRACING, code, "killsnoop_try", self._known[name], bpf.TRACE_FEXIT
                    )
                    held.callback(os.close, program)
                    made[name] = (program, bpf.attach(program))
                except (OSError, HostError):
                    for _, attached in made.values():
                        os.close(attached)
                    return False
            for name, (program, attached) in made.items():
                programs[name], links[name] = program, attached
            opened.enter_context(held.pop_all())
        return bool(made)
