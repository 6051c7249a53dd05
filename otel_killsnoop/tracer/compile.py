"""bpf/*.c -> the build product that program.py reads: python3 -m otel_killsnoop.tracer.compile

The one place that imports bcc. It needs no privilege, no kernel headers and no running kernel of
any version: bcc only compiles here (bpf/stub stands in for a kernel tree), and what depends on a
machine stays a symbol. Run when the package or the image is built, or first set up.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from pathlib import Path

from otel_killsnoop.errors import KillsnoopError, ProgramError
from otel_killsnoop.tracer import program

SOURCES = Path(__file__).parents[2] / "bpf"
_MAIN = "killsnoop.bpf.c"


def compiled(text: str, functions: list[str], sources: Path = SOURCES) -> dict[str, bytes]:
    """The instructions of each function in a C text, which may include what is in ``sources``."""
    # Read by bcc when it compiles; whoever runs this has no use for another.
    os.environ["BCC_KERNEL_SOURCE"] = str(sources / "stub")
    try:
        from bcc import BPF
    except ImportError as error:
        cure = "install Debian's python3-bpfcc, and use the system's python3"
        raise ProgramError(f"cannot import bcc, {error}", sys.executable, cure) from error
    try:
        # The text in bytes: of text bcc warns, and so would fail where warnings are errors.
        made = BPF(text=text.encode(), cflags=[f"-I{sources}", "-Wall", "-Werror"])
        return {name: bytes(made.dump_func(name.encode())) for name in functions}
    except Exception as error:  # bcc raises no class of its own; clang has said why on stderr
        cure = "look at clang's words above"
        raise ProgramError(f"bcc cannot compile, {error}", str(sources), cure) from error


def symbol_names(header: str) -> tuple[int, list[str]]:
    """(magic, names in order) as bpf/symbols.h has them."""
    magic = re.search(r"#define SYMBOL_MAGIC (0x[0-9a-f]+)ull", header)
    names = re.findall(r"X\(([a-z0-9_]+)\)", header.partition("#define SYMBOLS(X)")[2])
    names = [name for name in names if name != "name"]  # the macros' own parameter
    if magic is None or not names:
        raise ProgramError("no symbols are declared", "bpf/symbols.h", "compare it with git's")
    return int(magic[1], 16), names


def build(sources: Path = SOURCES) -> dict[str, object]:
    """The build product's content."""
    text = (sources / _MAIN).read_text("utf-8")
    magic, names = symbol_names((sources / "symbols.h").read_text("utf-8"))
    functions = [f"on_{event}{kind}" for event in program.EVENTS for kind in ("", "_raw")]
    tag = hashlib.sha256()
    for path in sorted(sources.glob("*.[ch]")):
        tag.update(path.read_bytes())
    return {
        "contract": program.CONTRACT,
        "tag": tag.hexdigest()[:16],
        "programs": {
            name: {
                "code": base64.b64encode(code).decode(),
                "places": program.places(code, magic, names),
                "casts": program.casts(code),
            }
            for name, code in compiled(text, functions, sources).items()
        },
    }


def main() -> int:
    """Compile, and write the product in one step; the exit code."""
    try:
        content = json.dumps(build(), separators=(",", ":"))
        unfinished = program.PRODUCT.with_suffix(".tmp")
        unfinished.write_text(content, "utf-8")
        unfinished.rename(program.PRODUCT)
    except KillsnoopError as error:
        print(f"compile: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"compile: cannot write {program.PRODUCT}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
