"""Run notebooks and claims, under other arithmetics too, and list what differs from what is stored.

python tests/book/portable.py [--arithmetic NAME ...] [--workers N] [NOTEBOOK or CLAIM ...]
python tests/book/portable.py --variables NAME

Processors differ in the order in which they add; the libraries can be told to add as an older
one would. A printed number that changes with that order is printed with more digits than it
carries. Of every claim the comparisons are noted as well: one that came nearer to falling
otherwise than ten times its spread over the arithmetics is listed, because its verdict is luck.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from environment import ENVIRONMENT
from outputs import Shown, differences, shown
from pictures import difference, label_difference

from robustlib.commands.wrong import Parser

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
LEDGER = ROOT / "chapters" / "ledger.md"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# waiting threads sleep: else they take the cores of what runs beside them
TWO_THREADS = dict.fromkeys(THREADS, "2") | {"OMP_WAIT_POLICY": "passive"}
OLD = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
}
MIDDLE = {
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
WIDE = {
    "OPENBLAS_CORETYPE": "SkylakeX",
    "ATEN_CPU_CAPABILITY": "avx512",
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
}
ARITHMETICS: dict[str, dict[str, str]] = {
    "own": {},
    "own, two threads": TWO_THREADS,
    "old": OLD,
    "old, two threads": OLD | TWO_THREADS,
    "middle": MIDDLE,
    "wide": WIDE,
}
NEAR = 10.0  # spreads that a decision must keep away from its threshold

PROBE = """
import numpy, torch
from threadpoolctl import threadpool_info
numpy.dot(numpy.ones((2, 2)), numpy.ones((2, 2)))
blas = {i["architecture"] for i in threadpool_info() if i["internal_api"] == "openblas"}
print(f"numpy adds as {' and '.join(sorted(blas))}, torch as "
      f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} thread(s)")
"""


def environment(name: str) -> dict[str, str]:
    return os.environ | ENVIRONMENT | ARITHMETICS[name]


def offered(name: str) -> str | None:
    """What the libraries say that they do under this arithmetic; None where they cannot do it."""
    asked = ARITHMETICS[name]
    command = [sys.executable, "-c", PROBE]
    probe = subprocess.run(command, env=environment(name), capture_output=True, text=True)
    told = probe.stdout.strip()
    for variable in ("OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY"):
        if probe.returncode or asked.get(variable, "").lower() not in told.lower():
            return None
    return told


def sections(page: str) -> dict[str, list[str]]:
    """The ledger's section of each claim."""
    parts = re.split(
        r"^\(claim-(\S+)\)=$", page.partition("\n## Statements without")[0], flags=re.M
    )
    # without the blank lines at the end, which the last section of a page has not
    return {
        id: text.rstrip().split("\n") for id, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def run_notebook(name: str, path: Path, folder: Path) -> dict[str, list[Shown]]:
    """What the cells of a notebook show under the arithmetic ``name``."""
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    command = [sys.executable, str(HERE / "execute.py"), "--as-it-is", str(copy)]
    done = subprocess.run(command, env=environment(name), capture_output=True, text=True)
    if done.returncode:
        return {path.stem: ["could not be run:", *done.stderr.strip().splitlines()[-8:]]}
    return shown(copy)


def run_claims(name: str, ids: Sequence[str], folder: Path) -> dict[str, Any]:
    """The ledger's sections and the comparisons of some claims under the arithmetic ``name``."""
    command = [sys.executable, str(HERE / "decisions.py"), str(folder), *ids]
    subprocess.run(command, env=environment(name), check=True)
    return {id: json.loads((folder / f"{id}.json").read_text()) for id in ids}


def show(
    where: str, name: str, stored: Sequence[Shown], found: Sequence[Shown], *, labels: bool = False
) -> int:
    """Print the lines and pictures that differ, and how many do."""
    count = 0
    for old, new in differences(stored, found, label_difference if labels else difference):
        count += 1
        print(f"{where}, {name}:\n  stored  {old}\n  found   {new}", flush=True)
    return count


def nearest(seen: dict[str, list[Any]]) -> list[tuple[float, str]]:
    """Comparisons as (distance from the threshold in spreads, place), over all arithmetics."""
    runs = list(seen.values())
    if len({json.dumps([place for place, _ in run]) for run in runs}) > 1:
        return [(0.0, "the comparisons themselves differ")]
    found = []
    for same in zip(*runs, strict=True):
        for values in zip(*(numbers for _, numbers in same), strict=True):
            spread, distance = max(values) - min(values), min(map(abs, values))
            if spread > 0 and math.isfinite(spread):
                found.append((distance / spread, same[0][0]))
    return sorted(found)


def shares(ids: Sequence[str], count: int) -> list[list[str]]:
    """The ids dealt out to ``count`` processes."""
    return [list(ids[k::count]) for k in range(count) if ids[k::count]]


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="of notebooks, claims (default: all)"
    )
    parser.add_argument("--arithmetic", action="append", choices=ARITHMETICS, help="only these")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--notebooks-only", action="store_true", help="no claims")
    parser.add_argument(
        "--labels", action="store_true", help="another matplotlib drew: compare pictures' labels"
    )
    parser.add_argument(
        "--variables", choices=ARITHMETICS, help="print what sets this arithmetic, where offered"
    )
    options = parser.parse_args(arguments)
    if not 1 <= options.workers <= 1000:
        parser.error(f"--workers must be from 1 to 1000, got {options.workers}")
    if options.variables:
        asked = ARITHMETICS[options.variables] if offered(options.variables) else {}
        print(" ".join(f"{name}={value}" for name, value in asked.items()))
        return 0
    stored_claims = sections(LEDGER.read_text(encoding="utf-8"))
    notebooks = [path for path in NOTEBOOKS if not options.names or path.stem in options.names]
    claims = [id for id in stored_claims if not options.names or id in options.names]
    if options.notebooks_only:
        claims = []
    if unknown := set(options.names) - {path.stem for path in notebooks} - set(claims):
        parser.error(f"NAME must be that of a notebook or claim, got {', '.join(sorted(unknown))}")
    told = {name: offered(name) for name in options.arithmetic or ARITHMETICS}
    for name, sentence in told.items():
        print(f"{name}: {sentence or 'not offered by this machine, left out'}")
    names = [name for name, sentence in told.items() if sentence]
    different, seen = 0, {id: {} for id in claims}
    with tempfile.TemporaryDirectory() as top, ThreadPoolExecutor(options.workers) as pool:
        folders = {name: Path(tempfile.mkdtemp(dir=top)) for name in names}
        runs = [
            (name, path, pool.submit(run_notebook, name, path, folders[name]))
            for path in notebooks
            for name in names
        ]
        checks = [
            (name, pool.submit(run_claims, name, some, folders[name]))
            for name in names
            for some in shares(claims, options.workers)
        ]
        for name, path, run in runs:
            stored = shown(path)
            for id, found in run.result().items():
                before = stored.get(id, [])
                different += show(f"cell {id}", name, before, found, labels=options.labels)
        for name, job in checks:
            for id, found in job.result().items():
                section = sections(found["page"])[id]
                different += show(f"claim {id}", name, stored_claims[id], section)
                seen[id][name] = found["seen"]
    close = 0
    for id, runs_of_claim in seen.items():
        places = nearest(runs_of_claim)
        for spreads, place in {p: (s, p) for s, p in reversed(places)}.values():
            if spreads < NEAR:
                close += 1
                print(f"claim {id}: {place} is decided by {spreads:.2g} spreads")
    print(
        f"{len(notebooks)} notebooks and {len(claims)} claims under {len(names)} arithmetics: "
        f"{different} lines or pictures differ, {close} decisions nearer than {NEAR:g} spreads"
    )
    return 1 if different or close else 0


if __name__ == "__main__":
    sys.exit(main())
