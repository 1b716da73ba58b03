"""Bars of progress."""

from __future__ import annotations

import io
import signal
import threading

from robustlib.numerics import alarm
from robustlib.progress import Bar


def test_a_bar_is_made_though_ctrl_c_left_its_lock_taken() -> None:
    lock = Bar.get_lock()
    assert isinstance(lock, type(threading.RLock()))  # one, and no pair as tqdm's own
    lock.acquire()
    other = threading.Thread(target=lambda: lock.acquire() and lock.release())
    other.start()  # as tqdm's own does, and waits
    with alarm(5.0, signal.default_int_handler), Bar(total=1, file=io.StringIO()) as bar:
        bar.update()
        bar.refresh()
    lock.release()
    other.join(5)
    assert not other.is_alive()
