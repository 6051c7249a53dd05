"""A process and its ancestry -> the pieces of text that the tree view shows of them."""

from __future__ import annotations

from otel_killsnoop.model import Process, Side, text
from otel_killsnoop.terminal.layout import Piece
from otel_killsnoop.terminal.printable import quoted, visible

COMMAND_CHARACTERS = 2048  # of a command line; as long as a record's own
WORD_CHARACTERS = 128  # of a name, user, pod or unit
ID_CHARACTERS = 12  # of a container, as its runtime prints them

MORE = Piece("< ...", "faint")
"""How an ancestry ends that does not reach the root."""


class Describer:
    """max_depth: ancestors to name, at most.  ascii_only: as of ``printable``."""

    def __init__(self, max_depth: int, ascii_only: bool) -> None:
        self._max_depth = max_depth
        self._ascii_only = ascii_only

    def name(self, side: Side) -> str:
        """The kernel's name of the process."""
        return self._named(side.process)

    def numbered(self, process: Process) -> str:
        """``nginx[1234]``."""
        return f"{self._named(process)}[{process.pid}]"

    def label(self, side: Side) -> list[Piece]:
        """``nginx[1234] www-data``."""
        process = side.process
        user = self._word(process.user) if process.user else f"uid {process.uid}"
        return [Piece(self.numbered(process), "strong"), Piece(user)]

    def command(self, process: Process) -> list[Piece]:
        """The command line as a shell would have to be given it, word by word.

        A single argument is shown as it is: mostly it is a title that the process gave itself.
        Where arguments are unknown it is the program's path.  Where some are missing, the last
        piece says how many there truly are.
        """
        args = process.args or ((process.path,) if process.path else ())
        alone = len(process.args) == 1 and process.args_count <= 1
        whole = not process.args_cut and len(args) >= process.args_count
        shown: list[str] = []
        room = COMMAND_CHARACTERS
        for argument in args:
            if room <= 0:
                whole = False
                break
            one, all_of_it = self._argument(argument, alone, room)
            shown.append(one)
            whole = whole and all_of_it
            room -= len(one) + 1
        pieces = [Piece(word) for word in " ".join(shown).split(" ")] if shown else []
        if not whole:
            count = process.args_count
            pieces.append(Piece("..." if count < 2 else f"... ({count} arguments)", "faint"))
        return pieces

    def ancestors(self, side: Side) -> list[Piece]:
        """``< bash[40]``, nearest first, ``< (bash[40])`` when it had ended by then; ``< ...``
        where more are unknown or not shown.
        """
        pieces: list[Piece] = []
        while side.parent is not None and len(pieces) < self._max_depth:
            side = side.parent
            shown = self.numbered(side.process)
            pieces.append(Piece(f"< ({shown})" if side.process.ended else f"< {shown}", "faint"))
        if side.parent is not None or not side.complete:
            pieces.append(MORE)
        return pieces

    def places(self, process: Process, initiator: Process | None) -> list[Piece]:
        """The initiator, who logged in when that is another user, container, pod and unit, and
        what the process shows as its arguments now; where they are known.
        """
        places = []
        if initiator is not None:
            places.append(f"initiator {self.numbered(initiator)}")
        if process.login_uid is not None and process.login_uid != process.uid:
            login = process.login_user
            user = f"uid {process.login_uid}" if login is None else self._word(login)
            places.append(f"login {user}")
        container = process.container_id
        unit = process.systemd_unit
        if container:
            short = container[:ID_CHARACTERS]
            inside = process.vpid and process.vpid != process.pid
            number = f" (pid {process.vpid})" if inside else ""
            places.append(f"container {self._word(short)}{number}")
            if unit:
                unit = unit.replace(container, short)
        if process.pod_uid:
            places.append(f"pod {self._word(process.pod_uid)}")
        if unit:
            places.append(f"unit {self._word(unit)}")
        if process.title:
            places.append(f"title {self._word(text(process.title))}")
        return [Piece(one, "faint", "   " if at == 0 else "  ") for at, one in enumerate(places)]

    def _argument(self, raw: bytes, alone: bool, room: int) -> tuple[str, bool]:
        """The argument in about ``room`` characters, and whether that is all of it."""
        show = visible if alone and raw else quoted
        argument = text(raw[: 4 * room])
        given = len(argument)
        argument = argument[:room]
        shown = show(argument, self._ascii_only)
        # Cut before it is quoted: half of an escape or an open quote would mislead.
        while len(shown) > room + 3 and len(argument) > 1:
            argument = argument[: len(argument) * room // len(shown)]
            shown = show(argument, self._ascii_only)
        return shown, len(argument) == given

    def _named(self, process: Process) -> str:
        return self._word(text(process.comm)) or "?"

    def _word(self, word: str) -> str:
        if len(word) > WORD_CHARACTERS:
            word = word[:WORD_CHARACTERS] + "..."
        return visible(word, self._ascii_only)
