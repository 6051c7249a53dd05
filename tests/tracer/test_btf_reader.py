"""What BTF is asked and what it answers, on BTF assembled here."""

from __future__ import annotations

import pytest
from made_btf import CONST, EVERYTHING, PTR, Assembler, one

from otel_killsnoop.errors import BtfError
from otel_killsnoop.tracer.btf import find

ANSWERS: dict[str, int | None] = {
    "task_struct.pid": 0,
    "task_struct.info": 8,
    "task_struct.info.status": 16,
    "task_struct.comm": 24,
    "task_struct.si_pid": 40,
    "task_struct.si_code": 48,
    "task_struct.last": 80,
    "task_struct.link.status": None,  # behind a pointer
    "task_struct.comm.status": None,
    "task_struct.info.nothing": None,
    "task_struct.nothing": None,
    "task_struct.half": None,
    "flagged.si_code": 8,
    "flagged.bit": None,
    "qualified.si_code": 8,
    "flagged.plain": 8,
    "older.narrow": None,
    "older.shifted": None,
    "older.full": 0,
    "sigval.sival_int": 0,
    "nowhere.at_all": None,
    "pid_type.PID": None,
    "sizeof task_struct": 88,
    "sizeof sigval": 8,
    "sizeof thread_info_t": None,
    "sizeof long": None,
    "typedef btf_trace_it": 27,
    "typedef task_struct": None,
    "function it": 38,
    "function btf_trace_it": None,
    "function task_struct": None,
    "struct task_struct": 16,
    "struct sigval": 24,
    "struct thread_info_t": None,
    "struct it": None,
    "typedef last_of_all": EVERYTHING.types,
    "arguments btf_trace_it": 2,
    "arguments btf_trace_number": None,
    "arguments btf_trace_pointer": None,
    "arguments btf_trace_nothing": None,
    "arguments btf_trace_record": None,
    "arguments btf_trace_size": None,
    "arguments task_struct": None,
    "enumerator PID": 0,
    "enumerator TGID": 1,
    "enumerator TOP": 0xFFFFFFFF,
    "enumerator LOW": -2,
    "enumerator ONE": 1,
    "enumerator WIDE": 7 << 32 | 5,
    "enumerator DEEP": -3,
    "enumerator pid_type": None,
}
ALL = {question: [question] for question in ANSWERS}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("question", ANSWERS)
def test_each_question_is_answered_alone(question: str, order: str) -> None:
    assert one(EVERYTHING.bytes(order), question) == ANSWERS[question]


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_questions_are_answered_together(order: str) -> None:
    known = {question: answer for question, answer in ANSWERS.items() if answer is not None}
    assert find(EVERYTHING.bytes(order), ALL) == known


def test_the_first_alternative_that_exists_is_taken() -> None:
    raw = EVERYTHING.bytes()
    wanted = {
        "a": ["task_struct.nothing", "nowhere.pid", "task_struct.last", "task_struct.pid"],
        "b": ["enumerator NONE", "sizeof sigval"],
        "c": ["task_struct.nothing", "typedef nothing"],
        "d": [],
    }
    assert find(raw, wanted) == {"a": 80, "b": 8}


@pytest.mark.parametrize(
    "question",
    ["", "task_struct", "task_struct.", ".pid", "a..b", "sizeof", "sizeof a.b", "size of a"],
)
def test_a_question_of_no_known_form_is_a_programming_error(question: str) -> None:
    with pytest.raises(ValueError, match="not a question to BTF"):
        one(EVERYTHING.bytes(), question)


def test_what_lies_behind_the_last_answer_is_not_looked_at() -> None:
    made = Assembler()
    long = made.number("long", 8)
    made.record("early", 8, [("field", long, 0)])
    for _ in range(5000):
        made.add(CONST, third=long)
    made.add(31, "unknown")
    made.record("late", 8, [("field", long, 0)])
    raw = made.bytes()
    assert one(raw, "early.field") == 0
    assert find(raw, {"it": ["early.field", "late.field"]}) == {"it": 0}
    assert one(raw, "not_in_the_strings.field") is None
    with pytest.raises(BtfError, match="unknown kind"):
        one(raw, "late.field")


def test_a_type_that_comes_later_is_walked_to() -> None:
    made = Assembler()
    made.record("outer", 24, [("", 5002, 64), ("inner", 5002, 128)])
    for _ in range(5000):
        made.add(PTR, third=1)
    made.record("", 8, [("deep", 5003, 32)])
    made.number("int", 4)
    assert one(made.bytes(), "outer.deep") == 12
    assert one(made.bytes(), "outer.inner.deep") == 20
