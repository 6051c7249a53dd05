"""Every error that this project raises on purpose, in one tree.

    KillsnoopError          exit code 1: a fault of ours, or one that nothing else names
    +-- UsageError          exit code 2: an option or variable that cannot be meant
    +-- HostError           exit code 78 (sysexits EX_CONFIG): the host cannot do it as it is
    |   +-- PrivilegeError  a capability or permission is missing
    |   +-- KernelError     the kernel lacks something, or refused a program
    |   +-- ProgramError    the compiled kernel program is missing or does not fit
    |   +-- SpoolError      the spool directory cannot be used
    |   +-- PinError        the directory of pins cannot be used
    |       +-- PinsTaken   another agent owns it
    +-- BtfError            bytes that are not BTF, or BTF without a needed name
    +-- RingError           the ring's memory contradicts itself
    +-- OtlpError           bytes that are not an OTLP request

Each message says three things: what failed, on what, and what to do.
"""

from __future__ import annotations


class KillsnoopError(Exception):
    """Base of all our errors.

    what: what failed, a short clause.  on: the thing it failed on (path, option, kernel feature).
    cure: what the reader should do about it.  ``str()`` is one line, without control characters.
    """

    exit_code = 1

    def __init__(self, what: str, on: str = "", cure: str = "") -> None:
        self.what = what
        self.on = on
        self.cure = cure
        line = what + (f": {on}" if on else "") + (f" ({cure})" if cure else "")
        super().__init__("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line))


class UsageError(KillsnoopError):
    """An option or environment variable has a value that cannot be meant."""

    exit_code = 2


class HostError(KillsnoopError):
    """This host, as it is, cannot run the agent."""

    exit_code = 78


class PrivilegeError(HostError):
    """A capability or a permission is missing."""


class KernelError(HostError):
    """The kernel lacks a feature, or refused a map, a program or an attachment."""


class ProgramError(HostError):
    """The compiled kernel program is missing, damaged, or of another contract version."""


class SpoolError(HostError):
    """The spool directory cannot be made, locked, read or written."""


class PinError(HostError):
    """The directory of pins cannot be made, written or locked, or is no bpffs."""


class PinsTaken(PinError):  # noqa: N818  # as one says it
    """Another agent lives, and the pins are its own."""


class BtfError(KillsnoopError):
    """Bytes are not BTF, or this kernel's BTF has none of the names asked for."""


class RingError(KillsnoopError):
    """The ring's positions or headers contradict themselves."""


class OtlpError(KillsnoopError):
    """Bytes are not the OTLP message they should be."""
