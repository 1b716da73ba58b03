"""Attacks against known optima, ours and other libraries', in one run: python benchmarks/attacks.py

Writes benchmarks/attacks.md, which the page scoreboard shows. Five tables: the share of the exact
increase of the loss that an attack finds with 20 steps, where the exact maximum is known; its
time over the physical limit, steps x (one forward pass + one input gradient); what it leaves
behind; what leaving decided examples alone saves; and how long exact search takes. One thread,
process CPU time, the sides taking turns. The other libraries are installed without their
dependencies into a temporary folder, never into the environment: what cannot be imported is
reported.
"""

from __future__ import annotations

import copy
import datetime
import functools
import importlib
import importlib.metadata
import itertools
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import robustlib as rl
from robustlib.commands.contest import Contest, timed

PEERS = {
    "torchattacks": "torchattacks==3.5.1",
    "foolbox": "foolbox==3.3.4",
    "art": "adversarial-robustness-toolbox==1.20.1",
    "pyautoattack": "pyautoattack==0.2.0",
}
HELPERS = ["eagerpy", "GitPython", "gitdb", "smmap"]  # which foolbox imports
STEPS, SEEDS = 20, 41
LOGISTIC = rl.Logistic()
Attack = Callable[[nn.Module, Tensor, Tensor, rl.Perturbation], Tensor]


class TwoLogits(nn.Module):
    """A scalar model as the two-class image classifier that the other libraries ask for."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.model, self.shape = model, shape

    def forward(self, x: Tensor) -> Tensor:
        f = self.model(x.reshape(len(x), *self.shape))
        return torch.stack([-f / 2, f / 2], 1)  # cross-entropy is then the logistic loss of y f


def scalar(*layers: nn.Module) -> nn.Sequential:
    """Layers whose last has one output, as a model with outputs (n,)."""
    return nn.Sequential(*layers, nn.Flatten(0))


def ours(attack: rl.Attack) -> Attack:
    return lambda model, x, y, sets: attack(model, x, y, perturbation=sets, loss=LOGISTIC)


def as_images(run: Callable[..., Tensor]) -> Attack:
    """Hand (n, 1, 1, d) pictures and classes 0, 1 to ``run``; give points (n, d) back."""

    def attack(model: nn.Module, x: Tensor, y: Tensor, sets: rl.Perturbation) -> Tensor:
        logits = TwoLogits(model, tuple(x.shape[1:])).eval()
        pictures, classes = x.reshape(len(x), 1, 1, -1), ((y + 1) / 2).long()
        found = run(logits, pictures, classes, type(sets).__name__[:2].rstrip("B"), sets.radius)
        return found.reshape(x.shape).detach()

    return attack


def torchattacks_pgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    peer = importlib.import_module("torchattacks")
    if norm == "Li":
        return peer.PGD(logits, eps=eps, alpha=eps / 8, steps=STEPS)(x, c)
    if norm == "L2":
        return peer.PGDL2(logits, eps=eps, alpha=eps / 8, steps=STEPS)(x, c)
    raise NotImplementedError("no l1")


def torchattacks_apgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    if norm == "L1":
        raise NotImplementedError("no l1")
    peer = importlib.import_module("torchattacks")
    return peer.APGD(logits, norm="Linf" if norm == "Li" else norm, eps=eps, steps=STEPS)(x, c)


def foolbox_pgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    peer = importlib.import_module("foolbox")
    name = {"Li": "LinfPGD", "L2": "L2PGD", "L1": "L1PGD"}[norm]
    model = peer.PyTorchModel(logits, bounds=(0, 1), device="cpu")
    return getattr(peer.attacks, name)(steps=STEPS, rel_stepsize=1 / 8)(model, x, c, epsilons=eps)[
        1
    ]


def art_pgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    evasion = importlib.import_module("art.attacks.evasion")
    estimators = importlib.import_module("art.estimators.classification")
    model = estimators.PyTorchClassifier(
        logits, nn.CrossEntropyLoss(), x.shape[1:], 2, clip_values=(0, 1), device_type="cpu"
    )
    p = {"Li": "inf", "L2": 2, "L1": 1}[norm]
    attack = evasion.ProjectedGradientDescent(
        model, norm=p, eps=eps, eps_step=eps / 8, max_iter=STEPS, batch_size=len(x), verbose=False
    )
    return torch.from_numpy(attack.generate(x.numpy(), c.numpy()))


def autoattack_apgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    base = importlib.import_module("pyautoattack.autopgd_base")
    attack = base.APGDAttack(
        logits, n_iter=STEPS, norm="Linf" if norm == "Li" else norm, eps=eps, device="cpu"
    )
    attack.init_hyperparam(x)
    return attack.attack_single_run(x, c)[0]  # of largest loss; [3] is of changed class


def secml_pgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    pgd = importlib.import_module("secmlt.adv.evasion.pgd").PGD
    base = importlib.import_module("secmlt.models.pytorch.base_pytorch_nn")
    data = torch.utils.data
    name = {"Li": "linf", "L2": "l2", "L1": "l1"}[norm]
    attack = pgd(name, eps, STEPS, eps / 8, random_start=False, backend="native")
    batches = data.DataLoader(data.TensorDataset(x, c), batch_size=len(x))
    found = attack(base.BasePyTorchClassifier(logits), batches)
    return torch.cat([points for points, _ in found])


def advlib_pgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    if norm != "Li":
        raise NotImplementedError("no l2, no l1")
    attack = importlib.import_module("adv_lib.attacks").pgd_linf
    found: Tensor = attack(logits, x, c, eps, steps=STEPS, relative_step_size=1 / 8)
    return found


def advlib_apgd(logits: nn.Module, x: Tensor, c: Tensor, norm: str, eps: float) -> Tensor:
    attack = importlib.import_module("adv_lib.attacks").apgd
    p = {"Li": float("inf"), "L2": 2, "L1": 1}[norm]
    found: Tensor = attack(logits, x, c, eps, p, n_iter=STEPS, loss_function="ce")
    return found


def contestants() -> dict[str, Attack]:
    """Every attack by name; what a library cannot do it says when it is called."""
    found: dict[str, Attack] = {
        "robustlib PGD": ours(rl.PGD(steps=STEPS)),
        "robustlib APGD": ours(rl.APGD(steps=STEPS)),
    }
    for name, run in {
        "torchattacks PGD": torchattacks_pgd,
        "torchattacks APGD": torchattacks_apgd,
        "foolbox PGD": foolbox_pgd,
        "ART PGD": art_pgd,
        "pyautoattack APGD": autoattack_apgd,
    }.items():
        found[name] = as_images(run)
    return found


def attempt(run: Callable[[], Any]) -> Any:
    """The answer, or the kind of failure as a short text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()
    except NotImplementedError as error:
        return str(error)
    except Exception as error:
        return type(error).__name__


def problems(seed: int) -> dict[str, tuple[nn.Module, Tensor, Tensor, rl.Perturbation, Tensor]]:
    """(model, x, y, sets, exact losses) by name; float32, and far from the box [0, 1]."""
    draw = torch.Generator().manual_seed(seed)
    found = {}
    x = 0.4 + 0.2 * torch.rand(64, 50, generator=draw)
    y = 2.0 * torch.randint(2, (64,), generator=draw) - 1
    affine = scalar(nn.Linear(50, 1)).requires_grad_(False)
    affine[0].weight.copy_(torch.randn(1, 50, generator=draw))
    affine[0].bias.copy_(-affine[0].weight @ x.mean(0))
    for sets in (rl.LinfBall(0.1), rl.L2Ball(0.3), rl.L1Ball(0.35)):
        exact = value(affine, ours(rl.LinearMax())(affine, x, y, sets), y)
        found[f"affine, d = 50, {short(sets)}"] = (affine, x, y, sets, exact)
    x = 0.4 + 0.2 * torch.rand(32, 16, generator=draw)
    y = y[:32]
    net = scalar(nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 1)).requires_grad_(False)
    for p in net.parameters():
        p.copy_(torch.randn(p.shape, generator=draw) / 2)
    for sets in (rl.LinfBall(0.1), rl.L2Ball(0.3)):
        exact = value(net, ours(rl.BranchAndBound())(net, x, y, sets), y)
        found[f"ReLU, m = 20, d = 16, {short(sets)}"] = (net, x, y, sets, exact)
    flat = scalar(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 1)).requires_grad_(False)
    for p in flat.parameters():
        p.copy_(2 * torch.randn(p.shape, generator=draw))
    x = x[:, :2].contiguous()
    exact = value(flat, ours(rl.GridMax(size=90_000))(flat, x, y, rl.LinfBall(0.2)), y)
    found["tanh, m = 50, d = 2, ℓ∞ 0.2"] = (flat, x, y, rl.LinfBall(0.2), exact)
    return found


def short(sets: rl.Perturbation) -> str:
    """A ball in few characters, so that the table fits a page."""
    norms = {"LinfBall": "ℓ∞", "L2Ball": "ℓ2", "L1Ball": "ℓ1"}
    return f"{norms[type(sets).__name__]} {sets.radius:g}{' in [0, 1]' if boxed(sets) else ''}"


def boxed(sets: rl.Perturbation) -> bool:
    return getattr(sets, "box", None) is not None


def measured(d: int) -> list[rl.Perturbation]:
    """The sets whose steps are timed; those that take more arithmetic at the size of a picture."""
    found: list[rl.Perturbation] = [rl.LinfBall(0.1), rl.L2Ball(0.3)]
    if d == 784:
        found += [rl.L1Ball(0.35), rl.L2Ball(0.3, box=(0, 1)), rl.L1Ball(0.35, box=(0, 1))]
    return found


def value(model: nn.Module, points: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        return LOGISTIC(model(points), y)


def shares() -> list[list[str]]:
    """Median share of the exact increase over the seeds, the smallest in brackets."""
    rows: dict[str, dict[str, list[float | str]]] = {}
    for seed in range(SEEDS):
        for name, (model, x, y, sets, exact) in problems(seed).items():
            clean = value(model, x, y)
            for contestant, attack in contestants().items():
                torch.manual_seed(seed)  # the others draw from the global generator
                points = attempt(functools.partial(attack, model, x, y, sets))
                share: float | str = points
                if isinstance(points, Tensor):
                    gain = value(model, points, y) - clean
                    share = float(gain.sum() / (exact - clean).sum())
                rows.setdefault(name, {}).setdefault(contestant, []).append(share)
    table = [["share of the exact increase", *contestants()]]
    for name, cells in rows.items():
        table.append([name, *(summary(cells[contestant]) for contestant in contestants())])
    return table


def summary(values: list[float | str]) -> str:
    if any(isinstance(v, str) for v in values):
        return str(next(v for v in values if isinstance(v, str)))
    numbers = [float(v) for v in values]
    return f"{statistics.median(numbers):.3f} ({min(numbers):.3f})"


def cpu_time(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def bare_loop(net: nn.Module, x: Tensor, y: Tensor, sets: rl.Perturbation) -> Tensor:
    """The least that projected gradient ascent can be: nothing checked, no best point kept."""
    if isinstance(sets, rl.L1Ball) or boxed(sets):
        raise NotImplementedError("no l1, no box")
    eps, linf = sets.radius, isinstance(sets, rl.LinfBall)
    z = x
    for _ in range(STEPS):
        z = z.clone().requires_grad_()
        (g,) = torch.autograd.grad(LOGISTIC(net(z), y).sum(), z)
        step = g.sign() if linf else g / g.norm(dim=1, keepdim=True)
        v = z.detach() + eps / 8 * step - x
        v = v.clamp(-eps, eps) if linf else v * (eps / v.norm(dim=1, keepdim=True)).clamp(max=1)
        z = x + v
    return z


def times() -> list[list[str]]:
    """CPU time over the limit, the least of twelve alternated runs of each."""
    players = {**contestants(), "bare loop": bare_loop}
    table = [["time over the limit, 20 steps", *players]]
    for d, width, n in ((64, 1024, 512), (784, 512, 256)):
        net, x, y, limit = workload(d, width, n)
        for sets in measured(d):
            runs: dict[str, Callable[[], Any]] = {"limit": limit}
            for name, attack in players.items():
                runs[name] = functools.partial(attack, net, x, y, sets)
            failed = {k: out for k, run in runs.items() if isinstance(out := attempt(run), str)}
            least = dict.fromkeys(runs, float("inf"))
            for _ in range(12):
                for name in runs:
                    if name not in failed:
                        with warnings.catch_warnings():
                            warnings.simplefilter("ignore")
                            least[name] = min(least[name], cpu_time(runs[name]))
            cells = [failed.get(k, f"{least[k] / least['limit']:.2f}") for k in players]
            table.append([f"MLP {d}-{width}-{width}-1, {n} points, {sets!r}", *cells])
    return table


# Who stands beside PGD and APGD in `make bench`.
PGDS = {
    "torchattacks": torchattacks_pgd,
    "foolbox": foolbox_pgd,
    "ART": art_pgd,
    "secml-torch": secml_pgd,
    "adv-lib": advlib_pgd,
}
APGDS = {
    "torchattacks": torchattacks_apgd,
    "pyautoattack": autoattack_apgd,
    "adv-lib": advlib_apgd,
}


def contests(budget: str) -> Iterator[Contest]:
    """PGD and APGD on nets of three layers, beside passes forward and back to the input alone."""
    importlib.import_module("peers")  # puts them on the path
    small = budget == "smoke"
    for d, width in ((64, 1024), (784, 512)):
        width, n = (32, 16) if small else (width, 256)
        net, x, y, limit = workload(d, width, n)
        for sets in measured(d):
            for attack, peers in ((rl.PGD(steps=STEPS), PGDS), (rl.APGD(steps=STEPS), APGDS)):
                same = (net, x, y, sets)
                yield Contest(
                    f"{type(attack).__name__}, {short(sets)}, {d}-{width}-{width}-1, n = {n}",
                    f"{STEPS} passes forward and back",
                    timed(functools.partial(ours(attack), *same)),
                    timed(limit),
                    {
                        k: timed(functools.partial(as_images(run), *same))
                        for k, run in peers.items()
                    },
                    runs=2 if small else 3,
                )


def workload(d: int, width: int, n: int) -> tuple[nn.Module, Tensor, Tensor, Callable[[], None]]:
    """(model, x, y, the limit): a net of three layers and points far from the box [0, 1]."""
    torch.manual_seed(0)
    net = scalar(
        nn.Linear(d, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
    )
    x, y = 0.4 + 0.2 * torch.rand(n, d), 2.0 * torch.randint(2, (n,)) - 1

    def limit() -> None:
        for _ in range(STEPS):
            z = x.clone().requires_grad_()
            torch.autograd.grad(net(z).sum(), z)

    return net, x, y, limit


def behaviours() -> list[list[str]]:
    """What happens to the model, and to inputs that the library did not expect."""
    table = [["behaviour", *contestants()]]
    x, y = 0.4 + 0.2 * torch.rand(16, 8), 2.0 * torch.randint(2, (16,)) - 1
    net = scalar(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1))
    sets = rl.LinfBall(0.1)

    def grad_left(attack: Attack) -> str:
        model = copy.deepcopy(net).eval()
        attack(model, x, y, sets)
        return "yes" if all(p.grad is None for p in model.parameters()) else "no"

    def frozen_left(attack: Attack) -> str:
        model = copy.deepcopy(net).train()
        model[1].eval()
        attack(model, x, y, sets)
        return "yes" if model.training and not model[1].training else "no"

    def generator_left(attack: Attack) -> str:
        torch.manual_seed(0)
        state = torch.get_rng_state()
        attack(copy.deepcopy(net).eval(), x, y, sets)
        return "yes" if bool((torch.get_rng_state() == state).all()) else "no"

    def double(attack: Attack) -> str:
        found = attack(copy.deepcopy(net).double().eval(), x.double(), y.double(), sets)
        return "yes" if found.dtype == torch.float64 else "no"

    def outside(attack: Attack) -> str:
        found = attack(copy.deepcopy(net).eval(), x * 10 - 5, y, sets)
        moved = float((found - (x * 10 - 5)).abs().max())
        return "yes" if moved <= 0.1 + 1e-5 else f"no, moved {moved:.2f}"

    for name, look in {
        "leaves parameters' gradients alone": grad_left,
        "leaves a frozen BatchNorm frozen": frozen_left,
        "leaves the global random state alone": generator_left,
        "works in float64": double,
        "never moves farther than asked, data outside [0, 1]": outside,
    }.items():
        table.append([name, *(attempt(functools.partial(look, a)) for a in contestants().values())])
    return table


def active_set() -> list[list[str]]:
    """Robust accuracy with and without leaving what is decided: the same, for how much less."""
    table = [
        [
            "robust_accuracy, 512 points, 40 steps of PGD",
            "set",
            "clean accuracy",
            "robust accuracy",
            "by robust_accuracy",
            "times faster",
            "without proofs",
        ]
    ]
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(512, 64, generator=draw)
    y = 2.0 * (x[:, :8].sum(1) > 4) - 1
    for widths, epochs in (((1024, 1024), 25), ((1024,), 150)):
        net = trained((64, *widths), epochs, x, y)
        with torch.no_grad():
            clean = float((net(x) * y > 0).float().mean())
        name = "-".join(map(str, (64, *widths, 1)))
        for eps in (0.02, 0.03, 0.04, 0.06, 0.1):
            sets = rl.LinfBall(eps)
            found = {how: accuracy(net, x, y, sets, how) for how in ("all", "decided", "unknown")}
            least = dict.fromkeys(found, float("inf"))
            for _ in range(5):
                for how in least:
                    run = functools.partial(accuracy, net, x, y, sets, how)
                    least[how] = min(least[how], cpu_time(run))
            cells = [f"{share:.4f}" for share in (clean, found["all"], found["decided"])]
            faster = [f"{least['all'] / least[how]:.2f}" for how in ("decided", "unknown")]
            table.append([name, repr(sets), *cells, *faster])
    return table


def trained(widths: tuple[int, ...], epochs: int, x: Tensor, y: Tensor) -> nn.Module:
    """A ReLU network after that many steps of Adam on all points."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    net = scalar(*layers, nn.Linear(widths[-1], 1))
    descent = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(epochs):
        descent.zero_grad()
        LOGISTIC(net(x), y).mean().backward()
        descent.step()
    return net


def accuracy(net: nn.Module, x: Tensor, y: Tensor, sets: rl.Perturbation, how: str) -> float:
    """Under PGD: asking "all" examples, not those "decided", or of a model "unknown" to bounds."""
    attack = rl.PGD(steps=40)
    if how == "all":
        z = attack(net, x, y, perturbation=sets, loss=LOGISTIC)
        with torch.no_grad():
            return float((net(z) * y > 0).float().mean())
    model = net if how == "decided" else functools.partial(_call, net)
    sample = types.SimpleNamespace(x=x, y=y)
    found = rl.robust_accuracy(model, sample, perturbation=sets, attack=attack, effort="low")
    return found.upper


def _call(net: nn.Module, z: Tensor) -> Tensor:
    f: Tensor = net(z)
    return f


def exact_search() -> list[list[str]]:
    """How many of eight points exact search closes within 8 s each, and the slowest of them."""
    huber = rl.PseudoHuber()
    table = [
        [
            "exact search, LinfBall(0.1), 8 s a point",
            "d",
            "weights",
            "closed",
            "slowest, s",
            "largest gap",
        ]
    ]
    for m, d in ((20, 16), (20, 64), (20, 784), (50, 2), (50, 16), (50, 64)):
        for kind in ("random", "trained"):
            draw = torch.Generator().manual_seed(m + d)
            x = torch.rand(8, d, generator=draw, dtype=torch.float64)
            y = 2.0 * (x[:, :8].mean(1) > 0.5).double() - 1
            torch.manual_seed(0)
            net = scalar(nn.Linear(d, m), nn.ReLU(), nn.Linear(m, 1)).double()
            with torch.no_grad():  # every unit switches near the points, which is the hard case
                for p in net.parameters():
                    nn.init.normal_(p, std=0.5)
                net[0].bias.copy_(-net[0].weight.sum(1) / 2)
            if kind == "trained":
                descent = torch.optim.Adam(net.parameters(), 1e-2)
                for _ in range(300):
                    descent.zero_grad()
                    huber(net(x), y).mean().backward()
                    descent.step()
            search = rl.BranchAndBound(nodes=10**6, seconds=8.0)
            closed, slowest, gap = 0, 0.0, 0.0
            for i in range(len(x)):
                start = time.process_time()
                found = search.search(
                    net, x[i : i + 1], y[i : i + 1], perturbation=rl.LinfBall(0.1), loss=huber
                )
                slowest = max(slowest, time.process_time() - start)
                closed += int(found.closed[0])
                gap = max(gap, float(found.upper[0] - found.lower[0]))
            words = f"{closed} of {len(x)}" + (", others not closed" if closed < len(x) else "")
            table.append([f"m = {m}", str(d), kind, words, f"{slowest:.2f}", f"{gap:.1g}"])
    return table


def markdown(table: Sequence[Sequence[str]]) -> str:
    lines: list[Sequence[str]] = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder]
        subprocess.run([*install, *PEERS.values(), *HELPERS], check=False)
        sys.path.insert(0, folder)
        versions = ", ".join(spec.replace("==", " ") for spec in PEERS.values())
        # attacks as rows: as columns they would be too many for a page
        tables = [markdown(list(zip(*part(), strict=True))) for part in (shares, times, behaviours)]
        tables += [markdown(part()) for part in (active_set, exact_search)]
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [ln for ln in info.read_text().splitlines() if ln.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    head = (
        f"Made by `python benchmarks/attacks.py` on {datetime.date.today()}, one thread, {cpu}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, {versions}.\n"
        f"Shares are medians over {SEEDS} models, the smallest in brackets.\n"
        f"All take {STEPS} steps; where a step length is asked for, it is an eighth of the radius."
    )
    marked = [f"<!-- table {k} -->\n\n{table}" for k, table in enumerate(tables, 1)]
    text = "\n\n".join([head, *marked]) + "\n"
    Path(__file__).with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
