"""Marks hold: hostile submissions get what they earn, and a kill loses nothing."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hostile
import pytest

TEACHING = Path(__file__).parents[3] / "teaching"
sys.path.insert(0, str(TEACHING))
import confine  # noqa: E402
import grade  # noqa: E402
from session import Limits, Place, session  # noqa: E402

from robustlib.book.assignments.task import Failed  # noqa: E402

LEVEL = confine.level()
SHORT = Limits(cell_seconds=2.0, call_seconds=2.0, total_seconds=60.0, memory=2**30)
ALL = os.environ.get("ROBUSTLIB_HOSTILE") == "all"
# What `make test` has time for; ROBUSTLIB_HOSTILE=all takes all of them.
FEW = {
    "right",
    "blank",
    "loop in an answer",
    "os._exit",
    "processes that stay",
    "wrong at last",
    "reads others",
    "asks the network",
    "forged answers",
}
namespaces = pytest.mark.skipif(
    not LEVEL.startswith("namespaces"), reason=f"no namespaces here, only: {LEVEL}"
)


def rows(path: Path) -> dict[str, dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@contextmanager
def listener() -> Iterator[int]:
    """A port of this machine where whoever connects is given the right answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(hostile.GADGET.encode())

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def leftovers() -> list[str]:
    """Command lines on this machine that a submission started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [line] if line.startswith("sleep 987") else []
    return found


@namespaces
def test_hostile_submissions_get_what_they_earn(tmp_path: Path) -> None:
    folder, out, secret = tmp_path / "in", tmp_path / "out", tmp_path / "in" / "secret"
    secret.mkdir(parents=True)
    out.mkdir()
    (secret / "answer.py").write_text(hostile.GADGET)
    before = {path: path.read_bytes() for path in secret.iterdir()}
    with listener() as port:
        cells = hostile.cells_of(secret, port)
        chosen = {name: cells[name] for name in cells if ALL or name in FEW}
        hostile.write(folder, chosen)
        table = grade.grade(folder, out, "5-capacity", 2, SHORT)
    found = rows(table)
    wanted = {name: points for name, (_, points) in chosen.items()}
    wanted |= {name: points for name, (_, _, points) in hostile.files_of().items()}
    wanted |= {"link": {}, "pipe": {}}
    if "=1+1" in wanted:
        wanted["'=1+1"] = wanted.pop("=1+1")
    assert set(found) == set(wanted)
    got = {name: {k: int(found[name][k]) for k in hostile.FULL} for name in found}
    assert got == {name: dict.fromkeys(hostile.FULL, 0) | points for name, points in wanted.items()}
    for name, (_, words, _) in hostile.files_of().items():
        row = found["'=1+1" if name == "=1+1" else name]
        assert words in row["state"], name
    assert found["link"]["state"] == "is a link"
    assert found["pipe"]["state"] == "is no file"
    assert {path: path.read_bytes() for path in secret.iterdir()} == before
    assert leftovers() == []
    pages = "".join(p.read_text(encoding="utf-8") for p in (out / "feedback").iterdir())
    assert "<b>bold" not in pages
    assert "&lt;b&gt;bold" in pages
    assert "Hint: " in pages
    assert "ask.expect" not in pages


@namespaces
def test_a_kill_loses_nothing_and_marks_nobody_twice(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for k in range(6):
        cells = hostile.RIGHT[: k % 4]
        (folder / f"student {k}.ipynb").write_bytes(hostile.notebook(cells))
    command = [sys.executable, str(TEACHING / "grade.py"), str(folder), "--out", str(out)]
    command += ["--assignment", "5-capacity", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(Path(grade.__file__).parents[1])}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while len(list(out.glob("records/*.json"))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("records/*.json")}
    assert 2 <= len(kept) < 6, "killed in the middle"
    table = grade.grade(folder, out, "5-capacity", 1, SHORT).read_bytes()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(out.glob("records/*.json"))) == 6
    seed = (out / "seed").read_bytes()
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "seed").write_bytes(seed)
    assert grade.grade(folder, whole, "5-capacity", 2, SHORT).read_bytes() == table
    points = [int(row["by program"]) for row in rows(out / "marks.csv").values()]
    assert points == [0, 6, 12, 18, 0, 6]


@namespaces
def test_what_a_process_may(tmp_path: Path) -> None:
    """Neither rights nor network, files only in its own folder, and who hides is hidden."""
    work, hidden = tmp_path / "work", tmp_path / "hidden"
    work.mkdir(mode=0o711)
    tmp_path.chmod(0o711)
    hidden.mkdir()
    (hidden / "file").touch()
    code = f"""
import os
def rights():
    lines = open("/proc/self/status").read().splitlines()
    return [line.split()[1] for line in lines if line.startswith(("CapEff", "NoNewPrivs"))]
def writes():
    done = []
    for path in ("here", r"{tmp_path}/there", "/var/tmp/there", "/dev/shm/there"):
        try:
            open(path, "w").close()
            done.append(path)
        except OSError:
            pass
    return done
def sees():
    try:
        return os.listdir(r"{hidden}")
    except PermissionError:
        return []
def others():
    return [name for name in os.listdir("/proc") if name.isdecimal()]
"""
    with session([code], Place(LEVEL, work, (hidden,)), SHORT) as child:
        assert child.ask("rights", ()) == ["0000000000000000", "1"]
        assert child.ask("writes", ()) == ["here"]
        assert child.ask("others", ()) == ["1", "2"]
        assert child.ask("sees", ()) == []
    assert list(work.iterdir()) == []


def test_limits_alone_end_what_does_not_end(tmp_path: Path) -> None:
    """The weakest confinement there is, as on a machine without namespaces."""
    code = (
        "import subprocess\ndef f():\n    subprocess.Popen(['sleep', '987'])\n    while True: pass"
    )
    quick = Limits(cell_seconds=0.5, call_seconds=0.5)
    with session([code], Place("limits only", tmp_path, ()), quick) as child:
        with pytest.raises(Failed, match="took too long"):
            child.ask("f", ())
        with pytest.raises(Failed, match="no cell that ran defines a function g"):
            child.ask("g", ())
    assert leftovers() == []
