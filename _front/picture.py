"""Draw the front page's picture and its preview: digits that a network reads, then misreads.

``python _front/picture.py`` writes both anew. They are stored, because publishing needs no torch.
The network and the attack are those of the tour.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import robustlib as rl

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "picture.html"
PREVIEW = HERE.parent / "_static" / "preview.png"
LEVELS = 15  # shades of ink: coarse, so that no processor's last digit shows
NAMES = {-1: "3", 1: "8"}
RADIUS = 0.15


def misread(each: int = 3) -> tuple[Tensor, Tensor, list[int]]:
    """The first digits of each kind that are read rightly before the attack, wrongly after it.

    Points before and after (2 * each, 64), and their labels: threes first.
    """
    cap, loss = rl.SphereCap(RADIUS), rl.PseudoHuber()
    train, test = rl.digits(classes=(3, 8)).split(250)
    net = rl.TwoLayerNet(64, 1024, seed=0).double()
    net = rl.adversarial_training(
        net,
        train,
        perturbation=cap,
        attack=rl.NoAttack(),
        loss=loss,
        step_size=4.0,
        steps=400,
        progress=False,
    ).final
    found = rl.PGD(steps=20)(net, test.x, test.y, perturbation=cap, loss=loss)
    turned = (net(test.x) * test.y > 0) & (net(found) * test.y < 0)
    chosen: list[int] = []
    for label in NAMES:
        chosen += torch.nonzero(turned & (test.y == label)).flatten().tolist()[:each]
    return test.x[chosen], found[chosen].detach(), [int(test.y[i]) for i in chosen]


def ink(point: Tensor, darkest: float) -> list[list[int]]:
    """Shades 0 to ``LEVELS`` of an 8x8 digit, row by row; what is below white is drawn white."""
    shades = (point.reshape(8, 8) * (LEVELS / darkest)).round().clamp(0, LEVELS)
    rows: list[list[int]] = shades.to(torch.int64).tolist()
    return rows


def glyph(rows: list[list[int]]) -> str:
    """One path a shade, in the colour of the text, so that it suits both themes."""
    paths = []
    for level in range(1, LEVELS + 1):
        cells = [(r, c) for r, row in enumerate(rows) for c, s in enumerate(row) if s == level]
        steps = "".join(f"M{c} {r}h1v1h-1z" for r, c in cells)
        paths += [f'<path fill-opacity="{level / LEVELS:.2f}" d="{steps}"/>'] if steps else []
    return (
        '<svg viewBox="0 0 8 8" fill="currentColor" shape-rendering="crispEdges" '
        f'aria-hidden="true">{"".join(paths)}</svg>'
    )


def row(kind: str, points: Tensor, labels: list[int], darkest: float, sign: int) -> str:
    cells = "".join(
        f'<span class="rl-digit">{glyph(ink(point, darkest))}'
        f"<span>read as {NAMES[sign * label]}</span></span>"
        for point, label in zip(points, labels, strict=True)
    )
    return f'<div class="rl-row rl-{kind}">{cells}</div>'


def html(before: Tensor, after: Tensor, labels: list[int]) -> str:
    darkest = float(torch.maximum(before.max(), after.max()))
    return (
        '<div class="rl-digits" role="img" aria-label="Three handwritten threes and three eights. '
        "A network reads each of them rightly before the attack and wrongly after it, although "
        'the pictures hardly change.">\n'
        f"{row('before', before, labels, darkest, 1)}\n"
        f"{row('after', after, labels, darkest, -1)}\n</div>\n"
        '<label class="rl-still"><input type="checkbox"> hold still: before above, after below'
        "</label>\n"
    )


def preview(before: Tensor, after: Tensor, labels: list[int], file: Path) -> None:
    """The picture that a shared link shows, 1200 by 630 pixels."""
    import matplotlib.pyplot as plt

    darkest = float(torch.maximum(before.max(), after.max()))
    fig, axes = plt.subplots(2, len(labels), figsize=(12, 6.3), dpi=100)
    fig.subplots_adjust(top=0.84, bottom=0.08, left=0.04, right=0.96, hspace=0.3)
    fig.suptitle("Adversarial Training in Wide Networks", fontsize=34, y=0.94)
    for points, sign, line in zip((before, after), (1, -1), axes, strict=True):
        for point, label, ax in zip(points, labels, line, strict=True):
            ax.imshow(point.reshape(8, 8), cmap="gray_r", vmin=0, vmax=darkest)
            ax.set(xticks=[], yticks=[])
            color = "black" if sign == 1 else "#b42318"
            ax.set_xlabel(f"read as {NAMES[sign * label]}", fontsize=17, color=color)
    fig.savefig(file, metadata={"Software": None})
    plt.close(fig)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    shown = misread()
    PICTURE.write_text(html(*shown), encoding="utf-8")
    preview(*shown, PREVIEW)
