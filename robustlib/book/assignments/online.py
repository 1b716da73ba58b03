"""Assignment 3: projected gradient descent as a game, its regret, and a step of training."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...attacks import FGSM
from ...losses import Logistic
from ...sets import L2Ball, LinfBall
from .nets import CLOSE, array, close, signs, tensor, two_layer
from .task import Ask, Numbers, Task

game = Task("3.2", "play(gradients, radius, step)", "The player's moves", 30, 1)


def _moves(gradients: Numbers, radius: float, step: float) -> Numbers:
    """What the library's ball makes of the player's rule."""
    ball, here = L2Ball(radius), torch.zeros(1, gradients.shape[1], dtype=torch.float64)
    played = []
    for g in tensor(gradients):
        played.append(here[0])
        here = ball.project(here - step * g, torch.zeros_like(here))
    return array(torch.stack(played))


@game.part(5, "the moves w_0, ..., w_(T-1), inside the ball, at its rim and along it")
def _(ask: Ask, draw: np.random.Generator) -> None:
    hint = "one row for each round: the move that is made before the gradient is seen"
    found = ask(np.ones((1, 1)), 10.0, 0.5, shape=(1, 1), hint=hint)
    ask.expect(close(found, 0), "the first move is 0", hint)
    found = ask(np.ones((2, 1)), 10.0, 0.5, shape=(2, 1), hint=hint)
    rim = "a point inside the ball stays where it is, one outside goes to the rim"
    ask.expect(np.abs(found) < 5, "the second move is -0.5", rim)
    hint = "a gradient is gone down, not up, by the length step times the gradient"
    ask.expect(close(found[1], -0.5), "the second move is -0.5", hint)
    found = ask(np.array([[6.0, 8.0], [0.0, 0.0]]), 1.0, 1.0, shape=(2, 2), hint=hint)
    hint = "after every step the player goes back to the ball: |w| is at most radius"
    right = np.array([[0.0, 0.0], [-0.6, -0.8]])
    one = np.abs(found[1] + 1) < CLOSE
    ask.expect(~one.all(), "w_1 is (-0.6, -0.8)", "the ball is round: shorten w as a whole")
    ask.expect(np.linalg.norm(found[1]) <= 1 + CLOSE, "|w_1| is at most 1", hint)
    ask.expect(close(found, right), "w_1 is (-0.6, -0.8)", "to the nearest point of the ball")
    found = ask(np.array([[1.0], [1.0], [1.0]]), 1.5, 1.0, shape=(3, 1), hint=hint)
    hint = "it is w that is projected, not the gradient or the step"
    ask.expect(np.abs(found) <= 1.5 + CLOSE, "no move is longer than 1.5", hint)
    for rounds, d, radius, step in ((3, 1, 1.0, 0.5), (6, 2, 0.7, 1.0), (30, 4, 1.0, 0.3)):
        g = draw.normal(size=(rounds, d))
        found, right = ask(g, radius, step, shape=(rounds, d), hint=hint), _moves(g, radius, step)
        wrong = int(np.argmax(np.abs(found - right).max(1) > CLOSE))
        ask.expect(close(found, right), f"move {wrong} is not the right one", rim)


against = Task("3.3", "regret(gradients, moves, radius)", "Regret against the ball", 30, 1)


@against.part(5, "the regret against the best fixed point of the ball, by hand and at random")
def _(ask: Ask, draw: np.random.Generator) -> None:
    one, zero, hint = np.ones((1, 1)), np.zeros((1, 1)), "one number"
    found = ask(one, zero, 2.0, shape=(), hint=hint)
    ask.expect(
        ~(np.abs(found) < CLOSE), "2 is right", "the comparator may choose any w of the ball"
    )
    ask.expect(found > 0, "2 is right", "what was paid, less what the best fixed point pays")
    ask.expect(close(found, 2), "2 is right", "the best fixed point is at the end of the ball")
    found = ask(np.array([[1.0], [-1.0]]), np.zeros((2, 1)), 2.0, shape=(), hint=hint)
    hint = "the comparator is one point for all rounds, not one for each"
    ask.expect(close(found, 0), "0 is right: in sum no fixed point earns anything", hint)
    found = ask(np.ones((3, 1)), np.zeros((3, 1)), 2.0, shape=(), hint=hint)
    ask.expect(close(found, 6), "6 is right", "a sum over the rounds, not their mean")
    found = ask(np.array([[3.0, 4.0]]), np.zeros((1, 2)), 1.0, shape=(), hint=hint)
    ask.expect(close(found, 5), "5 is right", "in a ball the best point earns radius times |sum g|")
    for rounds, d, radius in ((2, 1, 1.0), (4, 2, 0.5), (40, 5, 2.0)):
        g, w = draw.normal(size=(rounds, d)), draw.uniform(-0.2, 0.2, (rounds, d))
        total = g.sum(0, keepdims=True)
        best = array(L2Ball(radius).argmax_linear(tensor(-total), tensor(0 * total)))
        right = float((g * w).sum() - (total * best).sum())
        found = ask(g, w, radius, shape=(), hint=hint)
        ask.expect(close(found, right), f"{right:.4g} is right", "round t costs <g_t, w_t>")


training = Task("3.4", "adversarial_step(W, a, x, y, eps, step)", "A step of training", 60, 3)


def _stepped(w: Numbers, a: Numbers, z: Numbers, y: Numbers, step: float) -> Numbers:
    """One step down on the library's mean logistic loss of its net, at the points z."""
    net = two_layer(w, a, "tanh")
    loss = Logistic()(net(tensor(z)), tensor(y)).mean()
    (gradient,) = torch.autograd.grad(loss, [net.weight])
    return w - step * array(gradient)


def _one_step(ask: Ask, draw: np.random.Generator, n: int, d: int, m: int) -> None:
    w, a, x, y = draw.normal(size=(m, d)), signs(draw, m), draw.normal(size=(n, d)), signs(draw, n)
    net = two_layer(w, a, "tanh")

    def attacked(eps: float, labels: Numbers) -> Numbers:
        options = {"perturbation": LinfBall(eps), "loss": Logistic()}
        return array(FGSM()(net, tensor(x), tensor(labels), **options))  # type: ignore[arg-type]

    for eps in (0.0, 0.05):
        z = attacked(eps, y)
        if eps and bool((np.abs(z - x).max(1) == 0).any()):
            continue  # one step of the attack was too long: the library kept x
        found = ask(w, a, x, y, eps, 1.5, shape=(m, d), hint="the new weights, shaped like W")
        right = _stepped(w, a, z, y, 1.5)
        if close(found, right):
            continue
        up, total = 2 * w - right, w + n * (right - w)
        ask.expect(not close(found, up), "the loss rises", "the weights go down the gradient")
        ask.expect(
            n == 1 or not close(found, total), "n times too far", "the loss is a mean over points"
        )
        clean, helped = _stepped(w, a, x, y, 1.5), _stepped(w, a, attacked(eps, -y), y, 1.5)
        ask.expect(
            not eps or not close(found, clean),
            "this is the step at x itself",
            "attack first: the gradient is taken at the points that the attack found",
        )
        ask.expect(
            not eps or not close(found, helped),
            "this is the step at points that are easier than x",
            "the attack goes up the loss in x, the weights go down the loss in W",
        )
        hint = "f has the factor m^(-1/2); points found are held fixed; one step of their sign"
        ask.expect(False, f"its first entry is {right[0, 0]:.6g}", hint)


@training.part(7, "one FGSM step on the points, then one gradient step on the weights")
def _(ask: Ask, draw: np.random.Generator) -> None:
    for n, d, m in ((1, 1, 2), (2, 2, 2), (5, 3, 8), (12, 6, 20)):
        _one_step(ask, draw, n, d, m)


hard = Task("3.5", "hard_sequence(T)", "A sequence that costs", 45, 3)


@hard.part(4, "signs against which steps of 1/sqrt(T) have a regret of at least 0.9 sqrt(T)")
def _(ask: Ask, draw: np.random.Generator) -> None:
    for rounds in (16, 100, 400):
        root = math.isqrt(rounds)
        hint = f"a list of {rounds} signs, the gradients of the rounds"
        s = ask(rounds, shape=(rounds,), hint=hint)
        ask.expect(np.abs(s) == 1, "an entry is no sign", "every gradient is +1 or -1")
        moves = _moves(s[:, None], 1.0, 1 / root)
        paid = float(s @ moves[:, 0]) + abs(float(s.sum()))
        constant = abs(s.sum()) == rounds
        ask.expect(
            not constant,
            f"the regret is {paid:.4g}",
            "against equal signs the player is soon where the comparator is",
        )
        ask.expect(
            (s[1:] == s[:-1]).any(),
            f"the regret is {paid:.4g}",
            "alternating signs cost at every second round, but the comparator earns nothing",
        )
        ask.expect(
            paid >= 0.9 * root,
            f"the regret is {paid:.4g}, asked for is {0.9 * root:.4g}",
            "let the player hesitate first, and the comparator earn in the end",
        )


TASKS = (game, against, training, hard)
