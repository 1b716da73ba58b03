"""A claim can be wrong in many ways, and only one way leads to HOLDS."""

from __future__ import annotations

import math
import signal
import time

import pytest

from robustlib.book.claims import registry
from robustlib.book.claims.registry import (
    Claim,
    Control,
    Evidence,
    check,
    claim,
    claims,
    interval_over_seeds,
)

GOOD = Control(broken="a hypothesis", measured="0.7", holds=False)


def evidence(
    *,
    value: float = 0.1,
    holds: bool = True,
    control: Control = GOOD,
    interval: tuple[float, float] | None = None,
    out_of_reach: str | None = None,
    below: str | None = None,
    ratio: float | None = None,
) -> Evidence:
    return Evidence(
        predicted="small",
        measured=f"{value:.1f}",
        value=value,
        holds=holds,
        control=control,
        ran="once",
        interval=interval,
        out_of_reach=out_of_reach,
        below=below,
        ratio=ratio,
    )


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> dict[str, Claim]:
    """A registry of its own for each test."""
    known: dict[str, Claim] = {}
    monkeypatch.setattr(registry, "_REGISTRY", known)
    return known


def verdict_of(run: object) -> registry.Verdict:
    claim("probe", statement="thm-probe", title="A probe", chapter="01-x")(run)  # type: ignore[arg-type]
    return check("probe", budget="smoke")


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("seen", "status", "words"),
    [
        (evidence(), "HOLDS", ""),
        (evidence(holds=False), "DOES NOT HOLD", "contradicts"),
        (evidence(control=Control("x", "0", holds=True)), "DOES NOT HOLD", "control passes"),
        (evidence(out_of_reach="vacuous by 1e4"), "OUT OF REACH", "vacuous by 1e4"),
        (evidence(value=math.nan), "COULD NOT BE CHECKED", "nan"),
        (evidence(value=math.inf), "COULD NOT BE CHECKED", "inf"),
        (evidence(interval=(math.nan, 1.0)), "COULD NOT BE CHECKED", "finite"),
        (evidence(below="m = 8 for 1e6"), "RUN BELOW ITS SIZE", "m = 8 for 1e6"),
        (evidence(below="x", holds=False), "DOES NOT HOLD", "contradicts"),
        (evidence(below="x", control=Control("x", "0", holds=True)), "DOES NOT HOLD", "passes"),
        (evidence(ratio=0.5), "HOLDS", ""),
        (evidence(ratio=math.nan), "COULD NOT BE CHECKED", "finite"),
        # a doubt about the numbers weighs more than a reason to be out of reach
        (evidence(value=math.nan, out_of_reach="x"), "COULD NOT BE CHECKED", "nan"),
        (
            evidence(out_of_reach="x", control=Control("x", "0", holds=True)),
            "OUT OF REACH",
            "x",
        ),
    ],
)
def test_status(seen: Evidence, status: str, words: str) -> None:
    verdict = verdict_of(lambda size: seen)
    assert verdict.status == status
    assert words in verdict.reason
    assert verdict.holds is (status == "HOLDS")
    assert verdict.fails is (status in ("DOES NOT HOLD", "COULD NOT BE CHECKED"))


@pytest.mark.usefixtures("empty")
def test_a_check_that_raises_is_reported_with_its_error() -> None:
    def run(size: str) -> Evidence:
        raise ZeroDivisionError("no points")

    verdict = verdict_of(run)
    assert verdict.status == "COULD NOT BE CHECKED"
    assert "ZeroDivisionError: no points" in repr(verdict)


@pytest.mark.usefixtures("empty")
def test_a_check_that_computes_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SECONDS, "smoke", 0.2)

    def run(size: str) -> Evidence:
        while time.process_time() < start + 60:
            pass
        return evidence()

    start = time.process_time()

    verdict = verdict_of(run)
    assert verdict.status == "COULD NOT BE CHECKED"
    assert "TimeoutError: took more than its 0.2 CPU seconds" in verdict.reason
    assert verdict.evidence is None


@pytest.mark.usefixtures("empty")
def test_waiting_for_the_processor_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a check lasts longer and computes no more than on an idle one."""
    monkeypatch.setitem(registry.SECONDS, "smoke", 0.2)

    def run(size: str) -> Evidence:
        time.sleep(0.5)
        return evidence()

    assert verdict_of(run).status == "HOLDS"


@pytest.mark.usefixtures("empty")
def test_every_thread_has_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.SECONDS, "smoke", 0.05)
    monkeypatch.setattr(registry.torch, "get_num_threads", lambda: 1000)

    def run(size: str) -> Evidence:
        start = time.process_time()
        while time.process_time() < start + 0.1:
            pass
        return evidence()

    assert verdict_of(run).status == "HOLDS"


@pytest.mark.usefixtures("empty")
def test_the_timer_is_off_after_a_check() -> None:
    before = signal.getsignal(signal.SIGPROF)
    verdict_of(lambda size: evidence())
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGPROF) is before


@pytest.mark.usefixtures("empty")
def test_a_slow_check_counts_as_late_where_it_cannot_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(registry.SECONDS, "smoke", 0.01)
    monkeypatch.delattr(registry.signal, "setitimer")

    def run(size: str) -> Evidence:
        start = time.process_time()
        while time.process_time() < start + 0.05:
            pass
        return evidence()

    verdict = verdict_of(run)
    assert verdict.status == "COULD NOT BE CHECKED"
    assert "more than its 0.01 CPU seconds" in verdict.reason


@pytest.mark.usefixtures("empty")
def test_one_statement_has_one_claim() -> None:
    claim("a", statement="thm-a", title="A", chapter="01-x")(lambda size: evidence())
    with pytest.raises(ValueError, match="repeats claim 'a'"):
        claim("b", statement="thm-a", title="B", chapter="01-x")(lambda size: evidence())
    with pytest.raises(ValueError, match="repeats claim 'a'"):
        claim("a", statement="thm-b", title="B", chapter="01-x")(lambda size: evidence())


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'sandwich'"):
        check("sandwhich")


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="budget must be one of 'smoke', 'laptop', 'gpu'"):
        check("sandwich", budget="huge")


def test_the_block_says_everything_and_no_seconds() -> None:
    found = claims()[0]
    seen = evidence(interval=(0.05, 0.15), ratio=0.415)
    verdict = registry.Verdict(found, "HOLDS", "", seen, 1.234, "smoke")
    text, page = repr(verdict), verdict._repr_html_()
    for words in (
        "HOLDS",
        found.id,
        "small",
        "[0.050, 0.150]",
        "Student",
        "0.41 of",
        "fails, as it must",
    ):
        assert words in text
        assert words in page
    assert "1.2" not in text  # seconds differ from run to run, and the book compares this text


def test_interval_is_students() -> None:
    # mean 2, standard error 1/sqrt(3); with two degrees of freedom the quantile at p has the
    # closed form (2p - 1) sqrt(2 / (4 p (1 - p)))
    half = 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025)) / math.sqrt(3)
    low, high = interval_over_seeds([1.0, 2.0, 3.0])
    assert low == pytest.approx(2 - half, rel=1e-9)
    assert high == pytest.approx(2 + half, rel=1e-9)
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        interval_over_seeds([1.0])


def held(budget: str) -> Evidence:
    return evidence()


@pytest.mark.parametrize(
    ("change", "run", "error", "match"),
    [
        (
            {"chapter": None},
            lambda budget: evidence(),
            TypeError,
            "chapter must be a string, got None",
        ),
        ({"id": 3}, held, TypeError, r"id must be a string, got 3 \(int\)"),
        ({"title": " "}, held, ValueError, "title must not be empty"),
        ({}, 3, TypeError, "run must be a function of the budget for claim 'probe', got 3"),
        (
            {},
            lambda: evidence(),
            TypeError,
            "run must be a function of the budget for claim 'probe'",
        ),
    ],
)
def test_what_is_no_claim_is_not_registered(
    change: dict[str, object],
    run: object,
    error: type[Exception],
    match: str,
    empty: dict[str, Claim],
) -> None:
    """At commit 62c29f0 one claim without a chapter made ``claims()`` fail for all."""
    words: dict[str, object] = {"statement": "thm", "title": "A", "chapter": "01-x", **change}
    with pytest.raises(error, match=match):
        claim(words.pop("id", "probe"), **words)(run)  # type: ignore[arg-type]
    assert not empty
    assert claims() == ()
