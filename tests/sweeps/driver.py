"""A sweep that a test may kill: python driver.py STORE RUNS [CLUSTER]."""

from __future__ import annotations

import sys
import time


def halves(n: int) -> dict[str, float]:
    time.sleep(0.05)
    return {"half": n / 2}


if __name__ == "__main__":
    import robustlib as rl

    store, runs, *cluster = sys.argv[1:]
    print(
        rl.sweep(
            halves,
            rl.grid(n=range(int(runs))),
            store=store,
            workers=2,
            cluster=cluster[0] if cluster else None,
            progress=False,
        )
    )
