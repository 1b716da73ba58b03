"""``python -m robustlib gpu``, and claims whose work is done on another device."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import robustlib as rl
from robustlib.__main__ import main
from robustlib.commands import gpu, measures

CALL = ["gpu", "--device", "cpu", "--budget", "smoke"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gpu"]) == 3
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("No GPU: torch sees none here")


def test_all_but_the_claims_at_the_smallest_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "MEASURES", measures.MEASURES[:-1])
    out = tmp_path / "gpu.json"
    assert main([*CALL, "--out", str(out)]) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["device"].startswith("cpu")
    rows = {row["what"]: row for row in record["rows"]}
    kinds = {row["kind"] for row in record["rows"]}
    assert kinds == {"values", "speed", "mnist"}
    assert all(row["right"] is not False for row in rows.values())
    assert rows["net, outputs (float64)"]["found"] == "0e+00"  # the CPU against itself
    assert f"{len(record['rows'])} rows in" in capsys.readouterr().out


def test_values_that_differ_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right, calls = measures._values, []

    def off(device: torch.device, *rest: object) -> object:
        calls.append(device)
        made = {"ones": lambda: torch.ones(3, dtype=rest[0])}  # type: ignore[call-overload]
        if len(calls) % 2 == 0:  # the device's, not the CPU's
            made["ones"] = lambda: torch.ones(3, dtype=rest[0]) + 1e-7  # type: ignore[call-overload]
        return made

    monkeypatch.setattr(measures, "_values", off)
    monkeypatch.setattr(gpu, "MEASURES", (measures.values,))
    assert main(CALL) == 1
    said = capsys.readouterr()
    assert said.err == "not: ones (float64): 1e-07\n"  # allowed in float32
    assert right is not off


def test_what_time_does_not_allow_and_what_raises_are_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = measures.Row("speed", "first", "1", "", None)

    def endless(*_: object) -> Iterator[measures.Row]:
        yield row
        while True:
            pass

    def raises(*_: object) -> Iterator[measures.Row]:
        yield replace(row, what="second")
        raise RuntimeError("no memory\non the device")

    monkeypatch.setattr(gpu, "MEASURES", (raises, endless))
    assert main([*CALL, "--minutes", "0.005"]) == 1
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert lines == [
        "speed second 1",
        "raises the rest RuntimeError: no memory on the device WRONG",
        "speed first 1",
        "endless the rest not run: the time was up",
    ]


def test_what_is_timed_is_what_the_row_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, works, x = [], [], rl.sphere(256, 64).x.float()

    def kernel(*points: torch.Tensor, **options: object) -> torch.Tensor:
        asked.append(options)
        return rl.ntk(*points, **options)  # type: ignore[arg-type]

    def seconds(device: torch.device, work: Callable[[], object]) -> float:
        works.append(work())
        return float(len(works))

    monkeypatch.setattr(measures, "ntk", kernel)
    monkeypatch.setattr(measures, "_seconds", seconds)
    rows = list(measures.gram(measures.CPU, measures.SIZES["smoke"], 0))
    assert rows[0].what == "ntk of depth 3, n = 256"
    assert rows[0].found == "0.5 times x @ x.T"
    assert asked == [{"depth": 3, "trained": "all"}] * 3
    torch.testing.assert_close(works[1], x @ x.T)
    assert rows[1].right


def test_a_step_of_training_is_a_share_of_the_product_peak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts: list[int] = []

    def trained(net: object, sample: object, *, steps: int, **how: object) -> None:
        counts.append(steps)

    def seconds(device: torch.device, work: Callable[[], object]) -> float:
        work()
        return 3.0 * counts[-1]  # three seconds a step

    monkeypatch.setattr(measures, "adversarial_training", trained)
    monkeypatch.setattr(measures, "_seconds", seconds)
    monkeypatch.setattr(measures, "_peak", lambda device, n: 1e8)
    size = measures.SIZES["smoke"]
    rows = {row.what: row for row in measures.speed(measures.CPU, size, 0)}
    row = rows["training step, m = 256, n = 20"]
    # 22 products of 20 x 65 and 65 x 256 numbers: ten steps of PGD there and back, and one
    work = 22 * 2 * 20 * 65 * 256
    assert (row.found, row.wanted) == (f"{work / 3e8:.2f} of the product peak", "3 s")


def test_the_least_of_several_times_after_a_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 7.0, 8.0, 11.0, 20.0, 24.0])  # the first run's end is not asked for
    monkeypatch.setattr(measures, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert measures._seconds(measures.CPU, lambda: None) == 3


def test_waits_are_counted_and_the_counting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    sample, net = rl.hexagon().to(dtype=torch.float32), rl.TwoLayerNet(2, 8)
    assert measures._waits(net, sample, rl.LinfBall(0.1)) == 0
    assert modes == [1, 0, 1, 0]


def test_mnist_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def openml(classes: tuple[int, int], n: int, seed: int) -> rl.Sample:
        assert classes == (3, 8)
        return rl.digits(classes, n // 10, seed)

    monkeypatch.setattr(measures, "cached", "mnist_784".__eq__)
    monkeypatch.setattr(measures, "openml", openml)
    (row,) = measures.mnist(measures.CPU, measures.SIZES["smoke"], 0)
    assert (row.kind, row.what, row.right) == ("mnist", "3 against 8, m = 64", None)
    assert row.found.startswith("Robust accuracy")
    assert capsys.readouterr().err == ""


# --- claims on another device --------------------------------------------------------------------

CLAIMS = """
import sys
sys.path.insert(0, {tests!r})
import torch, simulated_device
torch.set_num_threads(1)
simulated_device.start()
import robustlib as rl
from robustlib.__main__ import main
from robustlib.book import check
from robustlib.book.claims.place import adversarial_training, work_on

assert rl.budget() == "laptop" and rl.device().type == "cpu"
how = dict(perturbation=rl.SphereCap(0.2), attack=rl.PGD(steps=2), loss=rl.PseudoHuber())
net = rl.TwoLayerNet(2, 16).double()
here = adversarial_training(net, rl.hexagon(), step_size=1.0, steps=3, progress=False, **how)
with simulated_device.Device():
    for device in ("cpu", "simulated"):
        simulated_device.COUNTS.clear()
        with work_on(torch.device(device)):
            there = adversarial_training(
                net, rl.hexagon(), step_size=1.0, steps=3, progress=False, **how
            )
        same = all(torch.equal(a, b) for a, b in zip(
            [here.surrogate_loss, here.drift, *here.final.parameters(), here.setting.sample.x],
            [there.surrogate_loss, there.drift, *there.final.parameters(), there.setting.sample.x],
        ))
        used = sum(simulated_device.COUNTS.values()) > 0
        print(device, same, there.final.weight.device.type, used)
    simulated_device.COUNTS.clear()
    there = check("ntk-uniform", budget="smoke", device="simulated")
    used = sum(simulated_device.COUNTS.values()) > 0
    here = check("ntk-uniform", budget="smoke")
    print(here.holds and repr(here) == repr(there), used)
    print(main(["claims", "sandwich", "--budget", "smoke", "--device", "simulated"]))
"""


@pytest.mark.usefixtures("simulation")
def test_training_and_kernels_of_claims_are_placed() -> None:
    """In a process of its own: torch does not forget a device."""
    code = CLAIMS.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[:3] == ["cpu True cpu False", "simulated True cpu True", "True True"]
    assert lines[-1] == "0"
