"""Whatever is in the arguments: a planted secret never survives, and nothing ever fails."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_killsnoop.processes.redact import redact, redactor

# What passwords are made of; no option-like start, no word that means "none here".
PASSWORD = st.text(
    "abcdefghijkmnopqrstuvwyzABCDEFGHKLMNPQRSTUVWXYZ0123456789!%^*+_.~", min_size=8, max_size=40
).filter(lambda s: s[0] not in "-*.~" and not s.lower().startswith(("id=", "env:", "file:")))
WORDS = st.lists(
    st.sampled_from(["run", "-v", "--verbose", "x=1", "/srv/a", "sudo", "a b", "--", "-p", "'"]),
    max_size=4,
)
FORMS = [
    ("--password", "{}"),
    ("--password={}",),
    ("--db-token", "{}"),
    ("--apiKey={}",),
    ("SECRET={}",),
    ("mysql", "-p{}"),
    ("sshpass", "-p", "{}"),
    ("curl", "-u", "bob:{}"),
    ("https://bob:{}@host/path",),
    ("Authorization: Bearer {}",),
    ("X-Api-Key: {}",),
    ('{{"password": "{}"}}',),
    ("sh", "-c", "PASSWORD='{}' app --verbose"),
    ("sh", "-c", 'app --password "{}" --verbose'),
    ("sh", "-c", "app --token {} && true"),
    ("sh", "-c", "mysql -uroot -p{} db"),
    ("sh", "-c", 'curl -H "Authorization: Bearer {}" https://h'),
    ("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----",),
]


@settings(max_examples=400, deadline=None)
@given(WORDS, st.sampled_from(FORMS), PASSWORD, WORDS)
def test_a_planted_secret_never_survives(before, form, secret, after) -> None:
    planted = [part.format(secret) for part in form]
    args = tuple(part.encode() for part in ["app", *before, *planted, *after])
    shown, masked = redact(args)
    assert masked >= 1
    assert len(shown) == len(args)
    for original, part in zip(args, shown, strict=True):
        if secret.encode() in original:
            assert secret.encode() not in part


@pytest.mark.parametrize("alphabet", ["b64", "url", "hex"])
def test_of_random_tokens_without_a_name_hardly_one_survives(alphabet: str) -> None:
    """Random text may look like a name by chance: in one of some thousand tokens."""
    survived = tried = 0
    for seed in range(3000):
        raw = hashlib.shake_256(b"%d" % seed).digest(27 + seed % 34)
        if alphabet == "hex":
            token = raw.hex().encode()
            if len(token) in (56, 64, 96):  # as long as a digest: kept, as documented
                continue
        else:
            token = {"b64": base64.b64encode, "url": base64.urlsafe_b64encode}[alphabet](raw)
        args = (token, b"--x=" + token, b"a " + token + b" b", b'"' + token + b'"')
        shown = b"\0".join(redact((b"app", *args))[0])
        survived += token.rstrip(b"=") in shown
        tried += 1
    assert tried > 2500
    assert survived <= (0 if alphabet == "hex" else tried // 200)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.lists(
                st.sampled_from(
                    [b"--password", b"=", b" ", b"'", b'"', b"://", b"@", b":", b"mysql", b"-p",
                     b"token", b"Authorization:", b"$(", b"\xff", b"eyJ", b"-----BEGIN "]
                ),
                max_size=30,
            ).map(b"".join),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_bytes_are_redacted_without_loss_of_an_argument(args) -> None:
    shown, masked = redact(tuple(args))
    assert len(shown) == len(args)
    assert sum(a != b for a, b in zip(args, shown, strict=True)) <= masked
    assert redactor("full")(tuple(args)) == (tuple(args), 0)
    assert len(redactor("none")(tuple(args))[0]) == min(1, len(args))


def test_hostile_arguments_of_the_largest_size_cost_a_bounded_number_of_looks() -> None:
    """Guards against patterns that take the square of the length: these took minutes if so."""
    for piece in (
        b"a=",
        b"'a ",
        b"://a:",
        b"eyJaaaaaaaaa.",
        b"x-",
        b"Ab1",
        b"a.b=c:d ",
        b"sh -c '",
    ):
        arg = (piece * 16384)[:16384]
        assert len(redact((b"sh", b"-c", arg, b" " + arg))[0]) == 4
