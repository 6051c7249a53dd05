"""The attributes of the records themselves."""

from __future__ import annotations

from otel_killsnoop.records.attribute import Attribute

_A = Attribute

LOG = (
    _A(
        "killsnoop.event",
        "string",
        "What the record tells: `signal`, `exit` of a process by a signal, `gap` when signals "
        "were lost, or `accounting` at a stop.",
        "signal",
    ),
    _A("killsnoop.signal.number", "int", "The signal's number.", "9"),
    _A("killsnoop.signal.name", "string", "Its name; `SIGRTMIN+n` for real-time ones.", "SIGKILL"),
    _A("killsnoop.signal.code", "string", "The kernel's `si_code`, by name.", "SI_USER"),
    _A("killsnoop.signal.cause", "string", "Why it was raised; see Causes.", "user"),
    _A(
        "killsnoop.signal.call",
        "string",
        "The system call in progress that sent it; absent when there was none.",
        "kill",
    ),
    _A("killsnoop.signal.scope", "string", "`process`, `thread` or `group`.", "process"),
    _A("killsnoop.signal.result", "string", "What came of it; see Results.", "delivered"),
    _A(
        "killsnoop.target.signal.disposition",
        "string",
        "How the target handled the signal at that moment; see Dispositions.",
        "handled",
    ),
    _A(
        "killsnoop.signal.forged",
        "boolean",
        "The sender gave details that claim to be another's; absent when not.",
        "true",
    ),
    _A(
        "killsnoop.signal.fault.address",
        "string",
        "Of a memory fault: `null_page`, or `other`.",
        "null_page",
    ),
    _A(
        "killsnoop.signal.session.reason",
        "string",
        "Of cause `session`: `leader_exit`, or `orphaned_group`.",
        "leader_exit",
    ),
    _A("error.type", "string", "Of a refused attempt: the system call's error.", "EPERM"),
    _A("killsnoop.signal.tty", "string", "Of cause `tty` and `job`: the terminal.", "pts/3"),
    _A(
        "killsnoop.signal.session.pid",
        "int",
        "Of cause `tty` and `job`: the leader of that terminal's session.",
        "4690",
    ),
    _A(
        "killsnoop.signal.namespace",
        "int",
        "Of cause `pidns`: inode of the PID namespace that was torn down.",
        "4026532201",
    ),
    _A(
        "killsnoop.signal.cgroup",
        "string",
        "Of cause `cgroup.kill`: path of the cgroup that was killed, where known.",
        "/system.slice/app.service",
    ),
    _A(
        "killsnoop.signal.argument",
        "int",
        "The call's first argument, of sends to a group (`-4711`, `0`, `-1`; a descriptor of "
        "`pidfd_send_signal`) and of attempts.",
        "-4711",
    ),
    _A(
        "killsnoop.signal.group.id",
        "string",
        "Of a send to a group: `log.record.uid` of its first member's record.",
        "6d3c1f0a-9a2b-4c3d-8e4f-5a6b7c8d9e0f-000004a1b2c3d4e5",
    ),
    _A(
        "killsnoop.signal.group.size",
        "int",
        "Of a send to a group: how many got it. Of thousands, the records made last know best.",
        "5",
    ),
    _A(
        "killsnoop.signal.count",
        "int",
        "Of repeats beyond `--fold-burst` a second, which share a record: how many they are. The "
        "record's time is the first one's.",
        "1999846",
    ),
    _A(
        "killsnoop.signal.last_time",
        "string",
        "Of such repeats: when the last one was sent.",
        "2026-11-24T12:03:40.911123456Z",
    ),
    _A(
        "killsnoop.oom.total_vm",
        "int",
        "Of cause `oom`: bytes of the victim's address space.",
        "4294967296",
    ),
    _A("killsnoop.oom.anon_rss", "int", "Its anonymous memory in bytes.", "1181116006"),
    _A("killsnoop.oom.file_rss", "int", "Its resident pages of files, in bytes.", "3145728"),
    _A("killsnoop.oom.shmem_rss", "int", "Its resident shared memory in bytes.", "0"),
    _A("killsnoop.oom.page_tables", "int", "Bytes of its page tables.", "2162688"),
    _A("killsnoop.oom.score_adj", "int", "The adjustment of its score, -1000 to 1000.", "200"),
    _A("killsnoop.source.thread.id", "int", "The sending thread.", "4711"),
    _A("killsnoop.target.thread.id", "int", "The thread it was sent to.", "1234"),
    _A(
        "killsnoop.truncated",
        "string[]",
        "Names of the attributes that were cut or left out because they are too long.",
        '["killsnoop.target.process.command_line"]',
    ),
    _A("killsnoop.lost.count", "int", "In a gap: how many signals were lost.", "12"),
    _A("killsnoop.lost.reason", "string", "In a gap: why; see Losses.", "ring_full"),
    _A(
        "killsnoop.lost.last_time",
        "string",
        "In a gap: when the last of them was lost. The record's time is the first one's.",
        "2026-11-24T12:03:40.911123456Z",
    ),
    _A(
        "log.record.uid",
        "string",
        "Unique for good, and the same when the record is sent again: boot id and sequence.",
        "6d3c1f0a-9a2b-4c3d-8e4f-5a6b7c8d9e0f-000004a1b2c3d4e5",
    ),
)
"""Of the record itself. The `killsnoop.lost` ones are a gap's, which has no others but the event
and the uid."""

EXIT = (
    _A("killsnoop.exit.signal.number", "int", "Number of the signal it died of.", "9"),
    _A("killsnoop.exit.signal.name", "string", "That signal's name.", "SIGKILL"),
    _A("killsnoop.exit.code", "int", "As a shell shows it: 128 and the number.", "137"),
    _A("killsnoop.exit.core_dumped", "boolean", "Whether it left a core dump.", "false"),
    _A("killsnoop.exit.run_time", "double", "Seconds from its start to its end.", "12.304118"),
    _A(
        "killsnoop.exit.killed_by",
        "string",
        "`log.record.uid` of the signal's record that it died of, where that is known.",
        "6d3c1f0a-9a2b-4c3d-8e4f-5a6b7c8d9e0f-000004a1b2c3d4e5",
    ),
)
"""Of a process's end, which has the event, `killsnoop.truncated` and the uid beside them."""
