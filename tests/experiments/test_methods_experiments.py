"""The experiments on sensitivity, units and real clips, on made-up states."""

from __future__ import annotations

import numpy as np
import pytest
from experiments.footage import Footage
from experiments.real_footage_figures import Sample, dlsp_layer
from tests.experiments.test_experiments import footage

from experiments import real, sensitivity, share, units
from hiprobe import methods
from hiprobe.saliency import entropy, kl, ldr, saliency

RNG = np.random.default_rng


@pytest.fixture(scope="module")
def train() -> Footage:
    return footage(24, 1)


def test_each_variant_chooses_by_what_it_says() -> None:
    labels = np.tile([0, 1], 30).astype(np.int8)
    values = RNG(0).normal(size=(60, 6, 10)).astype(np.float32)
    values[labels == 1, 3] += 1.0
    values[:, 4, :5] *= 5.0
    found = sensitivity.choices(values, labels)
    assert found.keys() == sensitivity.VARIANTS.keys()
    assert found[sensitivity.OURS] == saliency(values, labels).best == 3
    a, n = values[labels == 1], values[labels == 0]
    assert found["KL alone"] == int(np.argmax(kl(a, n)))
    assert found["LDR alone"] == int(np.argmax(ldr(a, n)))
    assert found["-H alone"] == int(np.argmin(entropy(values)))


def test_eps_lowers_the_ratio_of_what_varies_little() -> None:
    a, n = np.array([1.0, 3.0]).reshape(2, 1, 1), np.array([-3.0, -1.0]).reshape(2, 1, 1)
    assert ldr(a * 0.01, n * 0.01).item() == pytest.approx(8.0, rel=1e-3)
    assert ldr(a * 0.01, n * 0.01, eps=1e-3).item() == pytest.approx(16e-4 / (2e-4 + 1e-3))


def test_the_table_of_sensitivity_has_a_row_for_each_variant(train: Footage) -> None:
    table = sensitivity.compare(train, footage(16, 2), 8, 2)
    assert [row[0] for row in table.rows] == list(sensitivity.VARIANTS)
    assert table.rows[0][3] == ""


def test_labels_by_video_are_those_of_its_events(train: Footage) -> None:
    labelled = units.by_video(train)
    for labels, events in zip(labelled.labels, train.events, strict=True):
        assert set(labels) == {int(bool(events))}


def test_only_some_shares_are_measured_and_nothing_is_drawn_without_labels(train: Footage) -> None:
    test = footage(16, 2)
    table = share.compare({"hiprobe": (train, test), "hiprobe_c1": (train, test)}, 2, (0.5,))
    assert [row[:2] for row in table.rows] == [("50 %", "12")]


def clips(number: int = 60) -> tuple[Sample, np.ndarray]:
    """Clips of one or two segments from 20 sources; layer 1 of 3 shows what they are."""
    rng = RNG(3)
    labels = np.arange(number) % 2
    clip = np.repeat(np.arange(number), rng.integers(1, 3, number))
    values = rng.normal(size=(len(clip), 3, 8)).astype(np.float32)
    values[:, 1] += 2.0 * labels[clip][:, None]
    return Sample(labels, np.arange(number) // 3, clip), values


def test_a_method_on_clips_selects_and_fits_on_the_labelled_ones_alone() -> None:
    sample, values = clips()
    labels = sample.of_segments
    found = real.curves_of(sample, real.by_method(methods.load("hiprobe"), values, labels), 3, 1)
    last = real.curves_of(
        sample, real.by_method(methods.load("output_layer"), values[:, 2:], labels), 3, 1
    )
    assert real.few(found).mean > 0.9
    assert real.folds(found).mean > 0.9
    assert abs(real.folds(last).mean - 0.5) < 0.25
    assert real.few(found, last).low > 0
    used = RNG(0).random(len(labels)) < 0.5
    spoilt = values.copy()
    score = real.by_method(methods.load("hiprobe"), values, labels)(used)
    spoilt[~used] = 0.0
    other = real.by_method(methods.load("hiprobe"), spoilt, np.where(used, labels, 1 - labels))
    assert (other(used)[used] == score[used]).all()
    assert dlsp_layer(values, labels, used) == 1


def test_the_table_compares_methods_with_controls() -> None:
    sample, values = clips()
    labels = sample.of_segments
    found = {
        "hiprobe": real.curves_of(
            sample, real.by_method(methods.load("hiprobe"), values, labels), 2, 1
        )
    }
    noise = real.curves_of(sample, lambda used: RNG(0).random(len(labels)), 2, 1)
    rivals = dict.fromkeys(real.RIVALS, noise)
    table = real.table_of_methods(found, {"hiprobe": [noise, noise]}, rivals)
    assert [row[0] for row in table.rows] == ["`hiprobe`", *real.RIVALS]
    assert table.rows[0][-1] == f"{real.few(noise)}, {real.folds(noise)}"
    assert table.claims[0].answer == "yes"
