"""Who logged in, by the audit system: from records, from /proc, and for who is gone."""

from __future__ import annotations


def login(process) -> tuple[int | None, str | None, int | None]:
    return process.login_uid, process.login_user, process.audit_session


def test_a_login_comes_with_the_fork_and_changes_with_an_exec(world) -> None:
    first, second, third = world.joined(
        world.fork(100, 300, login=(1000, 7)), world.kill(1, 300, source_comm=b"init"),
        world.exec(300, b"app", login=(0, 8)),
        world.kill(1, 300, source_comm=b"init", target_comm=b"app"),
        world.exec(300, b"app"),
        world.kill(1, 300, source_comm=b"init", target_comm=b"app"),
    )  # fmt: skip
    assert login(first.target.process) == (1000, "bob", 7)
    assert login(second.target.process) == (0, "root", 8)
    assert login(third.target.process) == (None, None, None)


def test_on_both_sides_and_for_who_is_gone(world) -> None:
    (joined,) = world.joined(
        world.fork(100, 300, login=(1000, 7)), world.fork(100, 301, login=(4242, 9)),
        world.exit(300), world.exit(301), world.kill(300, 301),
    )  # fmt: skip
    assert login(joined.source.process) == (1000, "bob", 7)
    assert login(joined.target.process) == (4242, None, 9)


def test_of_an_older_process_it_is_what_proc_says(world) -> None:
    world.seed(world.entry(300, 100, b"app")._replace(login_uid=1000, audit_session=3))
    (joined,) = world.joined(world.kill(100, 300, target_comm=b"app"))
    assert login(joined.target.process) == (1000, "bob", 3)


def test_a_parent_that_logged_in_without_exec_is_known_by_what_it_hands_on(world) -> None:
    """As sshd does, whose process for a session runs no new program."""
    (before,) = world.joined(
        world.fork(100, 300, b"sshd"), world.kill(100, 300, target_comm=b"sshd")
    )
    assert login(before.target.process) == (None, None, None)
    (after,) = world.joined(world.fork(300, 301, login=(1000, 7)), world.kill(100, 301))
    assert login(after.target.process) == (1000, "bob", 7)
    assert login(after.target.parent.process) == (1000, "bob", 7)
    assert login(after.source.process) == (None, None, None)


def test_a_thread_that_is_not_the_first_does_not_speak_for_its_process(world) -> None:
    (joined,) = world.joined(
        world.fork(200, 300, parent_tid=207, login=(1000, 7)), world.kill(100, 200)
    )
    assert login(joined.target.process) == (None, None, None)
