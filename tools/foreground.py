"""Run a program as the terminal's foreground job of its own: foreground.py PROGRAM [ARG...].

`make` dies of the Ctrl-C that its recipe also gets, and says so with an error, however well the
program ends. Here the program is the only one that the terminal's signals reach, so make's result
is the program's: 0 after a Ctrl-C. Without a terminal nothing changes. Ctrl-Z is ignored: make
could not pass the stop on to the shell, and the terminal would be left without a reader.
"""

import os
import signal
import sys


def main() -> None:
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        terminal = -1  # no terminal: Ctrl-C is no matter
    # Only the job in front may give the terminal away; `make run &` stays in the background.
    if terminal >= 0 and os.tcgetpgrp(terminal) == os.getpgrp():
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        # From the background group that this now is, the hand-over itself raises SIGTTOU.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
