"""Bars of progress, which Ctrl-C may fall into."""

from __future__ import annotations

import threading

from tqdm import tqdm


class Bar(tqdm):  # type: ignore[misc]  # of a library without types
    """tqdm's, with one lock of its own, which whoever holds it takes again.

    tqdm takes two, one after the other, and so does a thread of its own. Where Ctrl-C comes between
    the two, one stays taken, and the next bar of the same process may wait for ever.
    """


Bar.set_lock(threading.RLock())
