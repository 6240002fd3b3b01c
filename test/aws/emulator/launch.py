"""Runs MiniStack until standard input is closed, even if the parent process is killed.

Each line on standard input is a number of ms by which the emulator's clock advances; "clock" is printed in response.
MiniStack and the functions it started are one process group, which is ended as a whole.
"""

import os
import signal
import sys
import threading
import time

real_time = time.time
ahead_seconds = 0.0


def read_commands():
    global ahead_seconds
    for line in sys.stdin:
        ahead_seconds += float(line) / 1_000
        print("clock", flush=True)
    os.killpg(0, signal.SIGKILL)


time.time = lambda: real_time() + ahead_seconds
threading.Thread(target=read_commands, daemon=True).start()

from ministack.app import main  # noqa: E402: after the clock is ours

main()
