"""Kernels against neural-tangents 0.6.5, against the torch.func tutorial, and the GEMM limit.

    python benchmarks/kernels.py            # makes the peer's environment (2.7 GB) once
    python benchmarks/kernels.py --no-peer  # without it
    python benchmarks/kernels.py --device cuda

One thread, process CPU time, the sides alternated, the least of several runs each. Only ratios are
worth keeping: they hold on a busy machine too, the milliseconds do not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustlib.commands.contest import Contest

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

HERE = Path(__file__).parent
PINS = HERE / "requirements-jax.txt"
DEPTHS = (1, 3, 5)
RUNS = 5


# --- the peer, in a process and an environment of its own --------------------------------------


def peer_main() -> None:
    """Read one request a line, answer with CPU seconds or with values."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import jax
    import neural_tangents as nt
    import numpy as np
    from neural_tangents import stax

    inputs = {}
    kernels = {}
    for depth in DEPTHS:
        hidden = [stax.serial(stax.Dense(8, W_std=math.sqrt(2)), stax.Relu())] * depth
        net = stax.serial(*hidden, stax.Dense(1, W_std=math.sqrt(2)))
        kernels[depth] = jax.jit(lambda x, f=net[2]: f(x, None, "ntk"))
        init, apply, _ = stax.serial(stax.Dense(8), stax.Relu(), stax.Dense(1))
    del init, apply
    for line in sys.stdin:
        request = json.loads(line)
        path = request["x"]
        if path not in inputs:
            inputs[path] = jax.numpy.asarray(np.load(path))
        x, kernel = inputs[path], kernels[request["depth"]]
        start = time.process_time()
        value = kernel(x).block_until_ready()
        seconds = time.process_time() - start
        if request.get("save"):
            np.save(request["save"], np.asarray(value) * x.shape[1])
        print(json.dumps({"seconds": seconds, "version": nt.__version__}), flush=True)


class Peer:
    """neural-tangents, asked over a pipe."""

    def __init__(self, place: Path) -> None:
        python = place / "bin" / "python"
        if not python.exists():
            print("making an environment for neural-tangents (2.7 GB, some minutes) ...")
            venv.create(place, with_pip=True)
        probe = [python, "-c", "import neural_tangents"]
        if subprocess.run(probe, capture_output=True).returncode:
            subprocess.run([python, "-m", "pip", "install", "-q", "-r", PINS], check=True)
        self.process = subprocess.Popen(
            [python, __file__, "--peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, **request: object) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("neural-tangents ended without an answer")
        return float(json.loads(answer)["seconds"])


# --- timing ------------------------------------------------------------------------------------


def alternate(sides: dict[str, Callable[[], float]], runs: int = RUNS) -> dict[str, float]:
    """The least time of each side in milliseconds, one run of each in turn after a first one."""
    for side in sides.values():
        side()
    best = dict.fromkeys(sides, math.inf)
    for _ in range(runs):
        for name, side in sides.items():
            best[name] = min(best[name], side())
    return {name: 1e3 * seconds for name, seconds in best.items()}


def timed(call: Callable[[], object], device: str = "cpu") -> Callable[[], float]:
    """``call`` as a function that returns its CPU seconds, or wall seconds on a GPU."""
    import torch

    def run() -> float:
        clock = time.process_time
        if device != "cpu":
            torch.cuda.synchronize()
            clock = time.perf_counter
        start = clock()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        return clock() - start

    return run


def row(*cells: object) -> None:
    texts = [f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells]
    print("| " + " | ".join(texts) + " |")


def head(*cells: str) -> None:
    row(*cells)
    row(*["---"] * len(cells))


# --- what is compared --------------------------------------------------------------------------


def infinite(peer: Peer | None, device: str, folder: Path) -> None:
    import numpy as np
    import torch

    from robustlib.kernels import ntk

    print("\nInfinite width, ReLU, all layers, float32; times in units of one float32 GEMM")
    head("d", "n", "depth", "robustlib / GEMM", "peer / GEMM", "peer / robustlib", "difference")
    sizes = [(64, 2048), (784, 2048)] if device == "cpu" else [(64, 16384), (784, 16384)]
    ours: dict[tuple[int, int], float] = {}
    for d, n in sizes:
        x = torch.randn(n, d, generator=torch.Generator().manual_seed(0)).to(device)
        path, saved = folder / f"x{d}.npy", folder / "peer.npy"
        np.save(path, x.cpu().numpy())
        for depth in DEPTHS:
            options = {"trained": "all", "depth": depth, "bias": False}
            sides = {
                "ours": timed(lambda x=x, o=options: ntk(x, **o), device),
                "gemm": timed(lambda x=x: x @ x.T, device),
            }
            difference: object = "-"
            if peer is not None:
                peer.ask(x=str(path), depth=depth, save=str(saved))
                sides["peer"] = lambda p=str(path), h=depth: peer.ask(x=p, depth=h)
                gap = np.abs(np.load(saved) / ntk(x, **options).cpu().numpy() - 1)
                difference = f"{np.median(gap):.0e}"
            best = alternate(sides)
            ours[d, depth] = best["ours"]
            other = best.get("peer")
            ratio: object = "-" if other is None else other / best["ours"]
            limit: object = "-" if other is None else other / best["gemm"]
            row(d, n, depth, best["ours"] / best["gemm"], limit, ratio, difference)
        print(f"time at depth 5 over depth 1, d = {d}: {ours[d, 5] / ours[d, 1]:.2f}")


def near_pairs(peer: Peer | None, folder: Path) -> None:
    import numpy as np
    import torch

    from robustlib.kernels import ntk

    print("\nLargest relative error of float32 at pairs (x, x + r|x|u), depth 3, of 64 pairs")
    head("r", "robustlib", "peer")
    generator = torch.Generator().manual_seed(1)
    for r in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 0.0):
        x = torch.randn(64, 64, generator=generator)
        u = torch.randn(64, 64, generator=generator)
        u /= u.norm(dim=1, keepdim=True)
        z = x + r * x.norm(dim=1, keepdim=True) * u
        both = torch.cat([x, z])
        exact = ntk(both.double(), trained="all", depth=3, bias=False)
        single = ntk(both, trained="all", depth=3, bias=False).double()
        pairs = torch.arange(64), torch.arange(64) + 64
        error = f"{float((single / exact - 1)[pairs].abs().max()):.0e}"
        theirs = "-"
        if peer is not None:
            path, saved = folder / f"near{r}.npy", folder / "peer.npy"
            np.save(path, both.numpy())
            peer.ask(x=str(path), depth=3, save=str(saved))
            gap = torch.from_numpy(np.load(saved)).double() / exact - 1
            theirs = f"{float(gap[pairs].abs().max()):.0e}"
        row(f"{r:g}", error, theirs)


def tutorial(net: Any, x: Any) -> Any:
    """The empirical kernel as the tutorial of torch.func has it, for scalar outputs."""
    import torch
    from torch.func import functional_call, jacrev, vmap

    weights = {k: v.detach() for k, v in net.named_parameters()}

    def one(w: dict[str, torch.Tensor], point: torch.Tensor) -> torch.Tensor:
        return functional_call(net, w, (point[None],))

    rows = vmap(jacrev(one), (None, 0))(weights, x)
    parts = [j.flatten(2) for j in rows.values()]
    return torch.stack([torch.einsum("Naf,Mbf->NMab", j, j) for j in parts]).sum(0)[..., 0, 0]


def products(net: Any, x: Any) -> Callable[[], None]:
    """The matrix products of the empirical kernel alone, into memory that is there already."""
    import torch

    from robustlib.kernels import empirical as module
    from robustlib.networks import TwoLayerNet

    n, m, device = len(x), net.initial.shape[-2], x.device
    side, square = torch.randn(n, m, device=device), torch.zeros(n, n, device=device)
    lifted = torch.randn(n, net.d + 1, device=device)
    double = lifted.double()
    first = torch.randn(m, net.d + 1, device=device)
    spare = torch.empty_like(side)
    strip = module._STRIP

    def half(a: torch.Tensor) -> None:
        for top in range(0, n, strip):
            square[top : top + strip, top:].addmm_(a[top : top + strip], a[top:].T)

    def run() -> None:
        torch.mm(lifted, first.T, out=side)
        if isinstance(net, TwoLayerNet):
            for top in range(0, n, strip):
                torch.mm(double[top : top + strip], double[top:].T)
            return half(side)
        for weight in net.initial:
            torch.mm(side, weight.T, out=spare)
            half(side)
            half(side)
        for weight in net.initial[1:]:
            torch.mm(side, weight, out=spare)

    return run


def empirical(device: str) -> None:
    import torch

    from robustlib.kernels import empirical_ntk
    from robustlib.networks import DeepNet, TwoLayerNet

    print("\nEmpirical kernels, ReLU, float32, d = 64; times in units of robustlib's own products")
    head("net", "n", "robustlib", "full GEMM", "tutorial", "tutorial / robustlib", "difference")
    for net, n, runs in (
        (TwoLayerNet(64, 1024), 500, 5),
        (TwoLayerNet(64, 4096), 1000, 3),
        (DeepNet(64, 512, 3), 500, 2),
    ):
        net = net.to(device)
        x = torch.randn(n, 64, generator=torch.Generator().manual_seed(0)).to(device)
        wide = torch.randn(n, net.initial.shape[-2], device=device)
        best = alternate(
            {
                "ours": timed(lambda net=net, x=x: empirical_ntk(net, x), device),
                "own": timed(products(net, x), device),
                "gemm": timed(lambda wide=wide: wide @ wide.T, device),
                "tutorial": timed(lambda net=net, x=x: tutorial(net, x), device),
            },
            runs,
        )
        mine, other = empirical_ntk(net, x), tutorial(net, x)
        gap = float((mine - other).abs().max() / mine.abs().max())
        row(
            f"{type(net).__name__} {tuple(net.initial.shape)}",
            n,
            best["ours"] / best["own"],
            best["gemm"] / best["own"],
            best["tutorial"] / best["own"],
            best["tutorial"] / best["ours"],
            f"{gap:.0e}",
        )


def contests(budget: str) -> Iterator[Contest]:
    """Kernels of infinite and of finite width, beside the products that they consist of."""
    import torch

    from robustlib.commands.contest import Contest, timed
    from robustlib.kernels import empirical_ntk, ntk
    from robustlib.networks import DeepNet, TwoLayerNet

    small = budget == "smoke"
    with tempfile.TemporaryDirectory() as folder:
        peer = _peer()
        for d, depth in ((64, 1), (64, 3), (64, 5), (784, 3)):
            n = 256 if small else 2048
            x = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
            options = {"trained": "all", "depth": depth, "bias": False}
            yield Contest(
                f"ntk, ReLU, depth {depth}, d = {d}, n = {n}",
                "one product of the inputs",
                timed(partial(ntk, x, **options)),
                timed(partial(torch.mm, x, x.T)),
                {"neural-tangents": _side(peer, x, depth, Path(folder, f"{d}.npy"))},
                runs=2 if small else RUNS,
            )
        nets = (TwoLayerNet(64, 1024), TwoLayerNet(64, 4096), DeepNet(64, 512, 3))
        for net, n in zip(
            nets[: 1 if small else 3], (64 if small else 500, 1000, 500), strict=False
        ):
            x = torch.randn(n, 64, generator=torch.Generator().manual_seed(0))
            yield Contest(
                f"empirical ntk, {type(net).__name__}, m = {net.width}, n = {n}",
                "its own products",
                timed(partial(empirical_ntk, net, x)),
                timed(products(net, x)),
                {"torch.func": timed(partial(tutorial, net, x))},
                runs=2 if small or net.width > 1024 or n < 1000 else 3,
            )


def _peer() -> Peer | str:
    """neural-tangents where its environment is, else a sentence."""
    from peers import JAX

    if not (JAX / "bin" / "python").exists():
        return "not installed"
    return Peer(JAX)


def _side(peer: Peer | str, x: Any, depth: int, path: Path) -> Callable[[], float] | str:
    import numpy as np

    if isinstance(peer, str):
        return peer
    np.save(path, x.numpy())
    return lambda: peer.ask(x=str(path), depth=depth)


MEMORY = """
import torch
from robustlib.kernels import empirical_ntk, ntk
from robustlib.networks import TwoLayerNet
torch.set_num_threads(1)
def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])
def extra(call):
    call(x[:600])
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
    before = status("VmRSS")
    result = call(x)
    return (status("VmHWM") - before) / (result.element_size() * result.numel())
x, net = torch.randn(4096, 64), TwoLayerNet(64, 4096)
print(extra(lambda x: ntk(x, trained="all", depth=3)), extra(lambda x: empirical_ntk(net, x)))
"""


def memory() -> None:
    out = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    infinite_width, finite = map(float, out.stdout.split())
    print("\nPeak extra memory with the result, in n x n float32 matrices, n = 4096")
    print(f"ntk, depth 3: {infinite_width:.2f}; empirical_ntk, width 4096 = n: {finite:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-peer", action="store_true", help="leave neural-tangents out")
    parser.add_argument("--env", type=Path, default=HERE / ".venv", help="the peer's environment")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    if options.peer:
        return peer_main()
    import torch

    torch.set_num_threads(1)
    device = platform.processor() or platform.machine()
    if options.device == "cuda":
        device = torch.cuda.get_device_name()
    print(f"torch {torch.__version__}, {device}, one thread")
    peer = None
    if not options.no_peer and options.device == "cpu":
        try:
            peer = Peer(options.env)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"neural-tangents could not be installed, its columns stay empty: {error}")
    with tempfile.TemporaryDirectory() as folder:
        infinite(peer, options.device, Path(folder))
        near_pairs(peer, Path(folder))
    empirical(options.device)
    if options.device == "cpu":
        memory()
        if not torch.cuda.is_available():
            print("\nGPU: not run, there is none here.")


if __name__ == "__main__":
    main()
