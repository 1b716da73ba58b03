from __future__ import annotations

import hashlib
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import sklearn.datasets
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from robustlib.samples import Sample, digits, hexagon, openml, sphere, two_caps
from robustlib.samples.base import in_dtype

EVERY = [hexagon(), digits(), digits((0, 1), 7), two_caps(2, 0.1, 9), sphere(5, 1), sphere(8, 784)]


def brute_separation(x: Tensor, y: Tensor) -> float:
    pairs = [(i, j) for i in range(len(x)) for j in range(i) if y[i] != y[j]]
    return min((math.dist(x[i].tolist(), x[j].tolist()) for i, j in pairs), default=math.inf)


# --- Sample ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", EVERY, ids=repr)
def test_samples_lie_on_the_sphere_with_both_labels(sample: Sample) -> None:
    assert sample.x.shape == (sample.n, sample.d)
    assert sample.x.dtype == sample.y.dtype == torch.float64
    assert float((sample.x.norm(dim=1) - 1).abs().max()) < 1e-14
    assert set(sample.y.tolist()) == {-1.0, 1.0}
    assert abs(float(sample.y.sum())) <= 9  # classes 3 and 8 have 183 and 174 digits
    assert len(sample) == sample.n


def test_repr_is_a_sentence_with_the_counts() -> None:
    assert repr(hexagon()) == (
        "Sample 'hexagon': 6 points on the unit sphere of R^2, "
        "3 labelled +1 and 3 labelled -1 (float64, cpu)."
    )


@settings(deadline=None)
@given(n=st.integers(1, 12), d=st.integers(1, 5), seed=st.integers(0, 99), single=st.booleans())
def test_separation_is_the_smallest_distance(n: int, d: int, seed: int, single: bool) -> None:
    sample = sphere(n, d, seed).to(dtype=torch.float32 if single else torch.float64)
    assert sample.separation == pytest.approx(brute_separation(sample.x, sample.y), rel=1e-14)


def test_separation_of_known_samples() -> None:
    assert hexagon().separation == pytest.approx(1.0, rel=1e-15)
    one = Sample(torch.ones(3, 1), torch.ones(3), "one label")
    assert one.separation == math.inf
    twins = Sample(torch.ones(2, 1), torch.tensor([1.0, -1.0]), "identical points")
    assert twins.separation == 0.0


def test_separation_keeps_its_digits_for_close_points() -> None:
    """Through inner products the answer would be off by 1e-8, or 0."""
    angle = 1e-9
    x = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)
    x = torch.cat([x, -x.repeat(30, 1)])  # enough rows for cdist to prefer inner products
    y = torch.tensor([1.0, -1.0] + [1.0] * 60, dtype=torch.float64)
    assert Sample(x, y, "close").separation == pytest.approx(angle, rel=1e-12)


def test_to_moves_and_rounds(device: torch.device, dtype: torch.dtype) -> None:
    sample = digits(n=10)
    other = sample.to(device, dtype)
    assert (other.x.device.type, other.x.dtype) == (device.type, dtype)
    assert (other.y.device.type, other.y.dtype) == (device.type, dtype)
    assert torch.equal(other.x.cpu(), sample.x.to(dtype))
    assert other.name == sample.name
    assert sample.x.dtype == torch.float64
    assert torch.equal(other.to("cpu").x, sample.x.to(dtype))


@settings(deadline=None)
@given(total=st.integers(2, 40), data=st.data(), seed=st.integers(0, 9))
def test_split_is_a_stratified_partition(total: int, data: st.DataObject, seed: int) -> None:
    sample = sphere(total, 3)
    n = data.draw(st.integers(1, total - 1))
    one, two = sample.split(n, seed)
    assert (one.n, two.n) == (n, total - n)
    rows = sorted(one.x.tolist() + two.x.tolist())
    assert rows == sorted(sample.x.tolist())
    lookup = {tuple(r): v for r, v in zip(sample.x.tolist(), sample.y.tolist(), strict=True)}
    for part in (one, two):
        assert [lookup[tuple(r)] for r in part.x.tolist()] == part.y.tolist()
    share = float((sample.y > 0).double().mean())
    assert abs(float((one.y > 0).sum()) - n * share) <= 0.5
    again = sample.split(n, seed)[0]
    assert torch.equal(one.x, again.x)


def test_split_depends_on_the_seed_and_keeps_order(device: torch.device) -> None:
    sample = sphere(30, 3).to(device)
    one, other = sample.split(10, 0)[0], sample.split(10, 1)[0]
    assert not torch.equal(one.x, other.x)
    places = [sample.x.tolist().index(r) for r in one.x.tolist()]
    assert places == sorted(places)
    assert one.x.device.type == device.type


def test_samples_leave_the_global_randomness_alone_and_depend_on_the_seed() -> None:
    state, old = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for make in (
        lambda s: digits(n=20, seed=s),
        lambda s: two_caps(3, 0.1, 20, s),
        lambda s: sphere(20, 3, s),
    ):
        one, same, other = make(4), make(4), make(5)
        assert torch.equal(one.x, same.x)
        assert torch.equal(one.y, same.y)
        assert not torch.equal(one.x, other.x)
        one.split(3)
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(old, np.random.get_state()[1])  # noqa: NPY002


def test_a_seed_means_the_same_sample_for_ever() -> None:
    """Notebooks print what follows from these numbers."""
    points = [-0.3404204, -0.9402733, 0.9239171, -0.3825928]
    assert sphere(4, 2).x.flatten().tolist()[:4] == pytest.approx(points, rel=1e-5)
    assert sphere(6, 1).y.tolist() == [-1, -1, -1, 1, 1, 1]
    assert sphere(6, 1, 1).y.tolist() == [-1, 1, -1, 1, -1, 1]
    caps = [-0.1499560, 0.9886927, 0.9136887, -0.4064147]
    assert two_caps(2, 0.1, 2).x.flatten().tolist() == pytest.approx(caps, rel=1e-5)
    some, whole = digits(n=6), digits()
    assert some.name == whole.name == "digits 3 against 8"
    places = [whole.x.tolist().index(row) for row in some.x.tolist()]
    assert places == [103, 148, 198, 200, 303, 318]
    nine = sphere(9, 2)
    assert [nine.x.tolist().index(row) for row in nine.split(4)[0].x.tolist()] == [0, 1, 2, 7]


def test_a_sample_in_a_dtype_that_it_has_is_itself() -> None:
    sample = hexagon()
    assert in_dtype(sample, torch.float64) is sample
    assert in_dtype(sample, torch.bfloat16) is sample
    other = in_dtype(sample, torch.float32)
    assert (other.x.dtype, other.y.dtype) == (torch.float32, torch.float32)
    for y in (sample.y.float(), sample.y.long()):  # left to whoever asks for one dtype of both
        mixed = SimpleNamespace(x=sample.x, y=y)
        for dtype in (torch.float32, torch.float64):
            assert in_dtype(mixed, dtype) is mixed


# --- the makers --------------------------------------------------------------------------------


def test_hexagon_has_angles_of_60_degrees_and_alternating_labels() -> None:
    sample = hexagon()
    angles = torch.atan2(sample.x[:, 1], sample.x[:, 0]) % (2 * math.pi)
    expected = torch.arange(6, dtype=torch.float64) * math.pi / 3
    torch.testing.assert_close(angles, expected, rtol=1e-15, atol=1e-15)
    assert sample.y.tolist() == [1, -1, 1, -1, 1, -1]


def test_digits_are_the_normalised_images_with_the_right_labels() -> None:
    data, target = sklearn.datasets.load_digits(return_X_y=True)
    sample = digits((8, 3))
    chosen = np.isin(target, (3, 8))
    expected = data[chosen] / np.linalg.norm(data[chosen], axis=1, keepdims=True)
    np.testing.assert_allclose(sample.x.numpy(), expected, rtol=1e-15)
    np.testing.assert_array_equal(sample.y.numpy(), np.where(target[chosen] == 3, 1, -1))
    assert torch.equal(digits((3, 8)).y, -sample.y)


@pytest.mark.parametrize("n", [1, 2, 31, 348])
def test_digits_subset_is_balanced_and_drawn_from_the_whole(n: int) -> None:
    sample, whole = digits(n=n), digits()
    assert int((sample.y > 0).sum()) == n // 2
    assert sample.n == n
    rows = {tuple(r): v for r, v in zip(whole.x.tolist(), whole.y.tolist(), strict=True)}
    assert [rows[tuple(r)] for r in sample.x.tolist()] == sample.y.tolist()
    assert len({tuple(r) for r in sample.x.tolist()}) == n


@pytest.mark.parametrize("d", [2, 3, 50, 784])
@pytest.mark.parametrize("gap", [0.0, 0.3, 0.8])
def test_caps_keep_their_gap(d: int, gap: float) -> None:
    sample = two_caps(d, gap, 201)
    # twice the half angle: accurate near the pole, where acos is not
    angle = 2 * torch.atan2(
        (sample.x - torch.eye(d, dtype=torch.float64)[0]).norm(dim=1),
        (sample.x + torch.eye(d, dtype=torch.float64)[0]).norm(dim=1),
    )
    plus, minus = angle[sample.y > 0], angle[sample.y < 0]
    assert (len(plus), len(minus)) == (100, 101)
    assert float(plus.max()) <= math.pi / 3 - gap / 2 + 1e-14
    assert float(minus.min()) >= math.pi / 3 + gap / 2 - 1e-14
    assert sample.separation >= 2 * math.sin(gap / 2) - 1e-14
    assert sample.y.tolist()[:4] == [-1, 1, -1, 1]


def uniform_distance(values: Tensor) -> float:
    """sqrt(n) times the Kolmogorov distance of ``values`` from the uniform law on [0, 1]."""
    n = len(values)
    ranks = torch.arange(1, n + 1, dtype=torch.float64) / n
    return math.sqrt(n) * float((values.sort().values - ranks).abs().max())


def test_caps_are_uniform_in_area() -> None:
    """On S^2 area is linear in height (Archimedes), and the angle round the pole is uniform."""
    sample = two_caps(3, 0.4, 4000, seed=1)
    height, azimuth = sample.x[:, 0], torch.atan2(sample.x[:, 2], sample.x[:, 1])
    top = math.cos(math.pi / 3 - 0.2)
    low = math.cos(math.pi / 3 + 0.2)
    plus, minus = sample.y > 0, sample.y < 0
    for values in (
        (height[plus] - top) / (1 - top),
        (height[minus] + 1) / (1 + low),
        azimuth[plus] / (2 * math.pi) + 0.5,
        azimuth[minus] / (2 * math.pi) + 0.5,
    ):
        assert uniform_distance(values) < 2.0  # exceeded with probability 7e-4
    # the test can tell: uniform angles to the pole are not uniform areas
    assert uniform_distance(torch.acos(height[plus]) / math.acos(top)) > 4.0


def test_caps_on_the_circle_are_two_arcs() -> None:
    sample = two_caps(2, 0.2, 4000)
    angle = torch.atan2(sample.x[:, 1], sample.x[:, 0])
    edge = math.pi / 3 - 0.1
    assert uniform_distance((angle[sample.y > 0] + edge) / (2 * edge)) < 2.0


def test_sphere_is_uniform_and_balanced() -> None:
    sample = sphere(3001, 3)
    assert int((sample.y > 0).sum()) == 1500
    for coordinate in sample.x.T:
        assert uniform_distance((coordinate + 1) / 2) < 2.0
    # labels do not depend on the points: mean of 3001 signs times a coordinate of variance 1/3
    assert float((sample.y[:, None] * sample.x).mean(0).abs().max()) < 4 / math.sqrt(3 * 3001)
    assert sphere(4, 1).x.abs().tolist() == [[1.0]] * 4


# --- openml, without a network -----------------------------------------------------------------


class FakeOpenML:
    """Stands in for scikit-learn's download: hands out ``data``, or fails as without network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rng = np.random.default_rng(0)
        self.data = rng.integers(1, 256, size=(30, 4)).astype(np.float64)
        self.target = np.array([str(i % 3) for i in range(30)], dtype=object)
        self.calls: list[tuple[str, int]] = []
        self.error: Exception | None = None
        monkeypatch.setattr(sklearn.datasets, "fetch_openml", self)

    def __call__(self, name: str, *, version: int, **options: object) -> SimpleNamespace:
        self.calls.append((name, version))
        if self.error is not None:
            warnings.warn("A network error occurred while downloading x. Retrying...", stacklevel=1)
            raise self.error
        return SimpleNamespace(data=self.data, target=self.target)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeOpenML:
    return FakeOpenML(monkeypatch)


def test_openml_downloads_once_and_gives_the_rows_of_two_classes(
    server: FakeOpenML, tmp_path: Path
) -> None:
    sample = openml(classes=(2, 0), cache=tmp_path)
    chosen = server.target != "1"
    expected = server.data[chosen] / np.linalg.norm(server.data[chosen], axis=1, keepdims=True)
    np.testing.assert_allclose(sample.x.numpy(), expected, rtol=1e-15)
    assert sample.y.tolist() == [1.0 if t == "0" else -1.0 for t in server.target[chosen]]
    assert sample.name == "mnist_784 2 against 0"
    server.error = URLError("no network")
    again = openml(classes=("2", "0"), n=6, cache=str(tmp_path))
    assert server.calls == [("mnist_784", 1)]
    assert (again.n, int((again.y > 0).sum())) == (6, 3)
    with pytest.raises(ConnectionError):  # one cache entry per name
        openml("another", classes=(0, 1), cache=tmp_path)


@pytest.mark.parametrize("factor", [0.25, -1.0, 1000.0])
def test_openml_keeps_values_that_do_not_fit_in_a_byte(
    server: FakeOpenML, tmp_path: Path, factor: float
) -> None:
    server.data *= factor
    server.data[0, 0] += 0.125
    for _ in range(2):
        sample = openml(classes=(0, 1), cache=tmp_path)
        row = server.data[0] / np.linalg.norm(server.data[0])
        np.testing.assert_allclose(sample.x[0].numpy(), row, rtol=1e-15)


def test_openml_stores_images_as_bytes(server: FakeOpenML, tmp_path: Path) -> None:
    server.data[0, :2] = 0, 255
    openml(classes=(0, 1), cache=tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    with np.load(file) as stored:
        assert stored["data"].dtype == np.uint8
    assert sorted(p.suffix for p in file.parent.iterdir()) == [".npz", ".sha256"]


def test_openml_refuses_a_cache_that_has_changed(server: FakeOpenML, tmp_path: Path) -> None:
    openml(classes=(0, 1), cache=tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(content)
    with pytest.raises(RuntimeError, match="has changed since it was downloaded") as caught:
        openml(classes=(0, 1), cache=tmp_path)
    assert str(file) in str(caught.value)
    file.unlink()  # what the message says to do
    assert openml(classes=(0, 1), cache=tmp_path).n == 20
    assert len(server.calls) == 2


class Opened:
    """Notes when it is unpickled."""

    times = 0

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return Opened._open, ()

    @staticmethod
    def _open() -> int:
        Opened.times += 1
        return Opened.times


def test_openml_runs_no_code_of_a_cache(server: FakeOpenML, tmp_path: Path) -> None:
    openml(classes=(0, 1), cache=tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    np.savez(file, data=server.data, target=np.array([Opened()] * 30, dtype=object))
    file.with_suffix(".sha256").write_text(hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        openml(classes=(0, 1), cache=tmp_path)
    assert Opened.times == 0


def test_openml_without_network_says_what_to_do(server: FakeOpenML, tmp_path: Path) -> None:
    server.error = URLError("Name or service not known")
    with pytest.raises(ConnectionError, match=r"not in the cache.*use digits\(\)") as caught:
        openml(classes=(3, 8), cache=tmp_path)
    assert isinstance(caught.value.__cause__, URLError)
    assert not list(tmp_path.rglob("*.npz"))
    server.error = None
    assert openml(classes=(0, 1), cache=tmp_path).n == 20


def test_openml_reads_nothing_half_written(
    server: FakeOpenML, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(stream: object, **arrays: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", killed)
        with pytest.raises(KeyboardInterrupt):
            openml(classes=(0, 1), cache=tmp_path)
    assert openml(classes=(0, 1), cache=tmp_path).n == 20
