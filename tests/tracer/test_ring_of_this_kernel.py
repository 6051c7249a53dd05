"""A real map, written by a real kernel program."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct

import pytest

from otel_killsnoop.tracer.ring import map_ring

PAGE = mmap.PAGESIZE


def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """bpf(2): its result, and the attributes as the kernel left them."""
    call = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351}[platform.machine()]
    buffer = ctypes.create_string_buffer(attributes.ljust(144, b"\0"), 144)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(call), ctypes.c_long(command), buffer, ctypes.c_long(144))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result, buffer.raw


@pytest.mark.kernel
def test_what_a_real_kernel_program_writes_is_read() -> None:
    """A program of ten instructions puts the clock into the ring; run by hand, over many rounds."""
    size = 2 * PAGE
    ring_fd, _ = bpf(0, struct.pack("=5I", 27, 0, 0, size, 0))  # BPF_MAP_CREATE, a ring buffer

    def instruction(code: int, registers: int, offset: int, value: int) -> bytes:
        return struct.pack("=BBhi", code, registers, offset, value)

    order = 4 if struct.pack("=H", 1)[0] else 0  # which half of the byte is the destination

    def registers(to: int, of: int = 0) -> int:
        return of << order | to << 4 - order

    program = b"".join(
        (
            instruction(0x85, 0, 0, 5),  # r0 = ktime_get_ns()
            instruction(0x7B, registers(10, 0), -8, 0),  # *(r10 - 8) = r0
            instruction(0x18, registers(1, 1), 0, ring_fd),  # r1 = the map
            instruction(0, 0, 0, 0),
            instruction(0xBF, registers(2, 10), 0, 0),  # r2 = r10
            instruction(0x07, registers(2), 0, -8),  # r2 -= 8
            instruction(0xB7, registers(3), 0, 8),  # r3 = 8
            instruction(0xB7, registers(4), 0, 1),  # r4 = BPF_RB_NO_WAKEUP
            instruction(0x85, 0, 0, 130),  # r0 = ringbuf_output(r1, r2, r3, r4)
            instruction(0x95, 0, 0, 0),  # exit
        )
    )
    code, license_ = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"GPL")
    addresses = ctypes.addressof(code), ctypes.addressof(license_)
    load = struct.pack("=IIQQ", 1, len(program) // 8, *addresses)  # a socket filter
    program_fd, _ = bpf(5, load)
    packet = ctypes.create_string_buffer(64)
    run = struct.pack("=4IQ", program_fd, 0, 64, 0, ctypes.addressof(packet))

    def put() -> bool:
        _, after = bpf(10, run)  # BPF_PROG_TEST_RUN; the second word is what the program returned
        return after[4:8] == bytes(4)

    ring = map_ring(ring_fd, size)
    os.close(ring_fd)
    times: list[int] = []
    positions: list[int] = []
    written = 0
    for _ in range(4):
        while put():
            written += 1
        for position, raw in ring.read(size):
            positions.append(position)
            times += struct.unpack("=Q", raw)
        ring.commit()
    assert written >= 3 * size // 16
    assert positions == [16 * n for n in range(written)]
    assert times == sorted(set(times))
    assert len(times) == written
    assert ring.pending == 0
    ring.close()
    os.close(program_fd)
