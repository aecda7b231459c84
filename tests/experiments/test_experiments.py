"""The experiments: their measure, their protocols on synthetic states, and what they write."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments.fits import every_layer, out_of_fold, raw_scores, split
from experiments.footage import Footage, draw, most
from experiments.measure import Interval, Truth, below, interval, over_draws, overlap, verdict
from experiments.read import prompt_of
from experiments.study import Study, present
from experiments.tables import Claim, Table
from experiments.wrong_labels import flip, weak

from experiments import (
    beyond,
    calibration,
    layers,
    localization,
    prompts,
    rendered,
    results,
    scorers,
    selection,
    short_events,
    transfer,
)
from experiments import share as shares
from hiprobe import datasets, methods
from hiprobe.errors import LabelError
from hiprobe.labels import label_segments
from hiprobe.localize import Localization
from hiprobe.metrics import frame_auc
from hiprobe.types import Event, HiddenStates, Recipe, Segment, Site

RECIPE = Recipe("made-up", ("What is wrong?",))
LAYERS, WIDTH, SEGMENTS = 4, 6, 10
SIGNAL = 2  # the layer with the signal; the next one has half of it, the others none


def footage(videos: int, seed: int = 0, signal: float = 1.2) -> Footage:
    """Return synthetic footage in which every second video has an event of three 1 s segments.

    The event shifts the states of layer SIGNAL by `signal` standard deviations.
    """
    rng = np.random.default_rng(seed)
    states, labels, events = [], [], []
    for index in range(videos):
        first = float(rng.integers(1, 6))
        found = (Event(first, first + 3.0),) if index % 2 else ()
        starts = np.arange(SEGMENTS, dtype=float)
        y = label_segments(starts, starts + 1, found)
        values = rng.standard_normal((SEGMENTS, LAYERS, WIDTH))
        values[:, SIGNAL] += signal * y[:, None]
        values[:, SIGNAL + 1] += signal / 2 * y[:, None]
        states.append(
            HiddenStates(
                f"{seed}-{index}",
                RECIPE,
                tuple(Site("residual", i) for i in range(LAYERS)),
                starts,
                starts + 1,
                values,
                float(SEGMENTS),
            )
        )
        labels.append(y)
        events.append(found)
    kinds = ["fire", "fight"] * videos
    names = tuple(kinds[i // 2] if found else "normal" for i, found in enumerate(events))
    return Footage(tuple(states), tuple(labels), tuple(events), names)


@pytest.fixture(scope="module")
def train() -> Footage:
    return footage(24, 1)


@pytest.fixture(scope="module")
def test() -> Footage:
    return footage(16, 2)


# --- the measure


def test_auc_over_seconds_equals_auc_over_frames_and_weighted_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive = rng.integers(0, 11, 60) / 10  # of segments of 1 s, in tenths
    scored = np.round(rng.random(60) + 0.3 * positive, 1)  # ties
    video = np.repeat(np.arange(6), 10)
    made = Truth(positive, 1 - positive, video, resamples=3).aucs(scored)
    pairs = zip(positive, scored, strict=True)
    frames = [((np.arange(10) < round(10 * p)).astype(int), np.full(10, s)) for p, s in pairs]
    assert made[0] == pytest.approx(frame_auc(frames))
    weights = np.r_[positive, 1 - positive]
    assert made[0] == pytest.approx(
        roc_auc_score(np.repeat([1, 0], 60), np.tile(scored, 2), sample_weight=weights)
    )


def test_each_bootstrap_column_is_the_auc_of_the_drawn_videos() -> None:
    rng = np.random.default_rng(1)
    y, scored, video = (
        rng.integers(0, 2, 50).astype(float),
        rng.random(50),
        np.repeat(np.arange(5), 10),
    )
    truth = Truth(y, 1 - y, video, resamples=4)
    for column, found in enumerate(truth.aucs(scored)):
        times = truth.weights[:, column].astype(int)
        rows = np.concatenate(
            [np.flatnonzero(video == v) for v in range(5) for _ in range(times[v])]
        )
        assert found == pytest.approx(frame_auc([(y[rows].astype(int), scored[rows])]))


@pytest.mark.parametrize("scored", [np.array([0.1, np.nan]), np.array([0.1, np.inf])])
def test_scores_that_are_not_finite_are_refused(scored: np.ndarray) -> None:
    with pytest.raises(LabelError, match="finite"):
        Truth(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0, 1])).aucs(scored)


def test_overlapping_events_count_once_and_an_open_event_lasts_to_the_end() -> None:
    starts = np.array([0.0, 1.0, 2.0, 3.0])
    found = overlap(
        starts, starts + 1, [Event(0.5, 1.5), Event(1.0, 1.75), Event(3.5, float("inf"))]
    )
    assert found == pytest.approx([0.5, 0.75, 0.0, 0.5])


def test_a_paired_difference_has_no_spread_from_what_both_share() -> None:
    shared = [np.random.default_rng(seed).random(401) for seed in range(10)]
    assert interval([a + 0.1 - a for a in shared]) == pytest.approx((0.1, 0.1, 0.1))
    wide = interval(shared)
    assert wide.low < wide.mean < wide.high


def test_the_interval_over_draws_is_the_t_interval_of_scipy() -> None:
    from scipy.stats import t

    values = [0.8, 0.9, 0.85, 0.95]
    expected = t.interval(0.95, 3, np.mean(values), np.std(values, ddof=1) / 2)
    assert over_draws(values)[1:] == pytest.approx(expected)


def test_verdicts_follow_the_interval() -> None:
    assert [
        verdict(Interval(0, *ends)) for ends in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1), (np.nan, 1))
    ] == ["yes", "no", "undecided", "undecided"]
    ends = ((0.1, 0.2), (0.6, 0.7), (0.4, 0.6))
    assert [below(Interval(0, *one), 0.5) for one in ends] == ["yes", "no", "undecided"]


# --- draws and labels


def test_draws_are_balanced_seeded_and_nested(train: Footage) -> None:
    few, more = draw(train, 4, 7), draw(train, 12, 7)
    assert few.abnormal.sum() == 2
    assert len({one.video_id for one in few.states}) == 4
    assert len({one.video_id for one in more.states}) == 12
    assert {one.video_id for one in few.states} <= {one.video_id for one in more.states}
    assert [s.video_id for s in draw(train, 4, 7).states] == [s.video_id for s in few.states]
    assert [s.video_id for s in draw(train, 4, 8).states] != [s.video_id for s in few.states]
    assert most(train) == 24
    with pytest.raises(LabelError, match="26 labelled videos"):
        draw(train, 26, 0)


def test_flipped_and_weak_labels(train: Footage) -> None:
    assert np.array_equal(flip(train, 0.0, 0).y, train.y)
    assert np.array_equal(flip(train, 1.0, 0).y, 1 - train.y)
    assert (flip(train, 0.3, 0).y != train.y).mean() == pytest.approx(0.3, abs=0.1)
    left_out = train.relabelled(np.full(len(train.y), -1, np.int8))
    assert np.array_equal(flip(left_out, 1.0, 0).y, left_out.y)
    assert np.array_equal(weak(train).y, np.repeat(np.arange(24) % 2, SEGMENTS))


# --- experiments on states whose truth is known


@pytest.mark.parametrize(
    "name", [name for name in selection.RULES if "last" not in name and "eighths" not in name]
)
def test_every_rule_that_uses_labels_finds_the_signal(name: str, train: Footage) -> None:
    assert selection.RULES[name](train, train.y)[0] == SIGNAL


def test_fixed_rules_choose_by_depth_alone(train: Footage) -> None:
    assert selection.last(train, train.y) == (LAYERS - 1,)
    assert selection.five_eighths(train, train.y) == (2,)


def test_out_of_fold_scores_of_noise_have_an_auc_of_one_half() -> None:
    noise = footage(40, 3, signal=0.0)
    held, picked = out_of_fold(
        noise, split(noise, 0), lambda some, y: methods.load("hiprobe").select(some, y).indices
    )
    assert noise.truth.aucs(held)[0] == pytest.approx(0.5, abs=0.1)
    assert len(picked) == 5


def test_no_fold_is_scored_by_a_probe_fitted_on_it(train: Footage) -> None:
    seen = []

    def choose(some: Footage, y: np.ndarray) -> Sequence[int]:
        seen.append(y >= 0)
        return (SIGNAL,)

    folds = split(train, 0)
    out_of_fold(train, folds, choose)
    assert all(not (known & (folds.of == fold)).any() for fold, known in enumerate(seen))


def test_layer_curves_rank_the_layer_with_the_signal_above_the_last(
    train: Footage, test: Footage
) -> None:
    made = layers.curves(train, test, 12, 3)
    assert made.aucs[:, :, 0].mean(0).argmax() == SIGNAL
    assert set(made.chosen) == {SIGNAL}
    table = layers.table("made-up", made, 12)
    assert [row[0] for row in table.rows] == ["0", "1", "2", "3"]
    assert [claim.answer for claim in table.claims] == ["yes", "yes"]
    assert layers.depth({"a": made, "b": made}).rows[1][4].startswith("+0.000")


def test_selection_and_stability_tables(train: Footage, test: Footage) -> None:
    table = selection.compare(train, test, 12, 3)
    assert [row[0] for row in table.rows[:-1]] == list(selection.RULES)
    answers = {claim.text.split("than ")[1].split(",")[0]: claim.answer for claim in table.claims}
    assert answers["the last layer"] == "yes"
    assert table.rows[0][3] == f"{SIGNAL} x3"
    stable = selection.stability(train, [12], 3)
    assert stable.rows[0][2].startswith("1.000")
    assert stable.claims[0].answer == "yes"


def test_too_few_labels_are_named_and_more_raise_the_auc(train: Footage, test: Footage) -> None:
    table = shares.compare({"hiprobe": (train, test), "one_class": (train, test)}, 2)
    assert [row[0] for row in table.rows] == ["10 %", "20 %", "50 %", "100 %"]
    assert [row[1] for row in table.rows] == ["2", "4", "12", "24"]
    assert table.rows[0][2] == "LabelError"  # three anomalous segments are too few
    assert float(table.rows[-1][2][:5]) > 0.95


def test_every_scorer_learns_the_signal(train: Footage, test: Footage) -> None:
    for row in scorers.compare(train, test, 12, 2).rows:
        assert float(row[2][:5]) > 0.85


def test_transfer_by_type_uses_one_half_of_the_types(train: Footage, test: Footage) -> None:
    half = transfer._only(train, {"fire"})
    assert set(half.kinds) == {"fire", "normal"}
    table = transfer.by_type(train, test, 8, 2)
    assert len(table.rows) == 4
    assert [row[3] == "+0.000 [+0.000, +0.000]" for row in table.rows] == [True, False, False, True]


def test_averaged_layers_use_the_mean_of_their_log_odds(train: Footage, test: Footage) -> None:
    raw = np.array(
        [raw_scores(methods.load("hiprobe"), train, test, (site,)) for site in range(2, LAYERS)]
    )
    expected = test.smoothed(1 / (1 + np.exp(-np.log(raw / (1 - raw)).mean(0))))
    assert beyond.averaged(0.5)(train, test) == pytest.approx(expected, abs=1e-6)


def test_neighbours_in_time_stay_within_the_video(train: Footage) -> None:
    values = np.arange(3.0)[:, None, None]
    assert beyond.neighbours(values)[:, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    assert beyond.before(values)[:, 0].tolist() == [[0, 0], [1, 0], [2, 1]]
    assert beyond.less_mean(values)[:, 0, 0].tolist() == [-1, 0, 1]


def test_prompt_of_selects_the_states_of_one_prompt(train: Footage) -> None:
    both = beyond._stacked(
        train, train.with_states([replace(one, values=one.values + 9) for one in train.states])
    )
    assert both.shape[1] == 2 * LAYERS
    assert np.array_equal(prompt_of(both, 1).states[0].values, train.states[0].values + 9)


def test_every_variant_beyond_the_paper_runs_and_is_judged(train: Footage, test: Footage) -> None:
    table = beyond.compare("Layers", beyond.VARIANTS, train, test, 8, 2)
    assert [row[0] for row in table.rows] == list(beyond.VARIANTS)
    assert {row[4] for row in table.rows[2:]} <= {"yes", "no", "undecided"}


# --- probabilities, alarms, events


def test_calibration_error_by_hand() -> None:
    y, p = np.array([0.0, 1.0, 1.0, 1.0]), np.array([0.05, 0.05, 0.95, 0.95])
    assert calibration.calibration_error(y, p) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)


def test_platt_undoes_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    true = rng.random(20000)
    y = (rng.random(20000) < true).astype(float)
    overconfident = 1 / (1 + np.exp(-(3 * calibration.odds(true) + 1)))  # and shifted
    assert calibration.platt(overconfident, y)(overconfident) == pytest.approx(true, abs=0.05)
    assert calibration.isotonic(overconfident, y)(overconfident) == pytest.approx(true, abs=0.15)


def test_conformal_p_values_by_hand_and_their_promised_rate() -> None:
    assert calibration.p_values(
        np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0])
    ) == pytest.approx([1, 0.75, 0.25])
    rng = np.random.default_rng(0)
    rates = [
        (calibration.p_values(rng.random(199), rng.random(50)) <= 0.05).mean() for _ in range(300)
    ]
    # 10 of 200 ranks alarm, which is exactly 5 % by symmetry.
    assert np.mean(rates) == pytest.approx(0.05, abs=0.005)


def test_conformal_alarms_are_calibrated_on_videos_outside_the_draw(train: Footage) -> None:
    some, rest = calibration._apart(train, 12, 0)
    assert not {one.video_id for one in some.states} & {one.video_id for one in rest.states}
    assert not rest.abnormal.any()
    assert len(rest) == 6


def test_the_share_of_alarms_counts_segments_of_the_videos_drawn() -> None:
    some = footage(4, 5)
    alarms = np.zeros(40, bool)
    alarms[:5] = True  # half of the first video, which is normal
    found = calibration._share(some, alarms, ~some.abnormal[some.group])
    assert found[0] == pytest.approx(5 / 20)
    drawn = some.truth.weights[[0, 2], 1]  # the normal videos are 0 and 2
    assert found[1] == pytest.approx(0.5 * drawn[0] / drawn.sum())


def test_claims_of_several_sizes_are_joined_and_yes_only_if_all_are() -> None:
    def one(size: int, *answers: str) -> Table:
        return Table(
            "T",
            ("a",),
            (),
            claims=tuple(
                Claim(f"v{i}: beats both, {size} labelled videos", f"+{size}", answer)
                for i, answer in enumerate(answers)
            ),
        )

    joined = beyond._joined([one(4, "yes", "yes", "no"), one(16, "yes", "undecided", "yes")])
    assert [claim.answer for claim in joined[-1].claims] == ["yes", "undecided", "no"]
    assert joined[0].claims == ()
    assert joined[-1].claims[0].figure == "4: +4; 16: +16"


def test_equal_wordings_are_not_said_to_differ() -> None:
    """The spread of five noisy figures is above 0 also where nothing differs."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = 0.9 + 0.02 * rng.standard_normal((prompts.SAME + 2, 2, 10, 101))
        assert [claim.answer for claim in prompts._claims(found)].count("no") == 0
    found = 0.9 + 0.002 * rng.standard_normal((prompts.SAME + 2, 2, 10, 101))
    assert [claim.answer for claim in prompts._claims(found)] == ["yes", "yes"]
    found[2, 0] += 0.05
    assert [claim.answer for claim in prompts._claims(found)] == ["no", "yes"]


def test_event_f1_and_false_events_by_hand() -> None:
    one = footage(2, 0).take([1, 1])
    start = one.events[0][0].start
    raw = np.zeros(20)
    # The event of the first video is found; that of the second is missed.
    raw[int(start) : int(start) + 3] = 1.0
    raw[19] = 1.0  # a false event of 1 s in the second video
    f1, false = localization.events_of(
        one, raw, Localization(0.0, "fixed", 0.5, merge_s=0.0, min_s=0.0)
    )
    assert f1 == pytest.approx(2 * 1 / (2 + 2))
    assert false == pytest.approx(1 / (20 / 3600))


# --- what is rendered, read and written


def test_no_event_of_the_experiments_is_too_short_for_a_segment_so_their_labels_are_as_before() -> (
    None
):
    found = {name: short_events.count(videos) for name, videos in short_events.worlds().items()}
    assert sum(one.events for one in found.values()) == 377
    assert all(one.short == (0, 0) for one in found.values()), found
    # the count does see a short event: 1 s across a boundary, and one that ends with its video
    clip = (16.0, (Event(1.1, 2.1), Event(15.9, float("inf"))))
    assert short_events.count([clip]).short == (2, 2)


def test_plans_are_balanced_and_their_labels_load_as_a_data_set(tmp_path: Path) -> None:
    every = list(rendered.plans(tmp_path))
    assert (
        len({plan.seed for plan in every})
        == len(every)
        == sum(count for count, _ in rendered.SPLITS.values())
    )
    for plan in every:
        plan.path.parent.mkdir(exist_ok=True)
        plan.path.touch()
        assert all(end <= plan.seconds or start < plan.seconds for _, start, end in plan.truth)
    rendered.make(tmp_path)
    found = list(datasets.load("folder", tmp_path / "main.csv", "train"))
    assert len(found) == 400
    assert sum(bool(one.events) for one in found) == 200
    tests = list(datasets.load("folder", tmp_path / "main.csv", "test"))
    assert {Path(one.path).parent.name for one in tests} == {"unseen"}
    with (tmp_path / "main.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)}.isdisjoint({"hug", "jog", "steam"})


def test_a_rendered_video_is_what_its_plan_says(tmp_path: Path) -> None:
    from hiprobe import video

    plan = replace(next(p for p in rendered.plans(tmp_path) if p.truth), seconds=3.2, spans=())
    rendered.render(plan)
    read = list(video.segments(plan.path, Recipe("m", ("p",), frames=8)))
    assert [segment.frames.shape for segment in read] == [(8, 96, 96, 3)] * 2
    before = plan.path.stat().st_mtime_ns
    rendered.render(plan)
    assert plan.path.stat().st_mtime_ns == before


def test_pooled_states_are_means_over_the_visual_tokens(shipped: object) -> None:
    import torch
    from experiments.pooled import pooled

    from hiprobe.backbones._processing import make_inputs

    model = shipped
    frames = np.random.default_rng(0).integers(0, 255, (8, 96, 96, 3), np.uint8)
    segment = Segment(frames, np.arange(8) * 0.2, 0.0, 1.6, 0)
    sites = tuple(Site("residual", layer) for layer in (0, 3))
    found = pooled(model).read([segment], sites)  # type: ignore[arg-type]
    inputs = make_inputs(model._processor, segment, model.recipe.prompts[0])  # type: ignore[attr-defined]
    with torch.inference_mode():
        own = model._model(**model._on_device(inputs), output_hidden_states=True)  # type: ignore[attr-defined]
    where = inputs["input_ids"][0] == model._model.config.video_token_id  # type: ignore[attr-defined]
    for column, site in enumerate(sites):
        expected = own.hidden_states[site.layer + 1][0, where].float().mean(0)
        assert found[0, column] == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.long
def test_footage_is_the_same_from_one_or_two_processes_and_is_read_once(
    tmp_path: Path, clips: Path
) -> None:
    names = ["abnormal_00.mp4", "normal_00.mp4", "normal_01.mp4"]
    labels = tmp_path / "some.csv"
    rows = [
        f"{clips / name},{'fire,1.6,4.8' if name.startswith('abnormal') else 'normal,,'},train"
        for name in names
    ]
    labels.write_text("\n".join(["path,label,start,end,split", *rows]) + "\n")
    on = Study(("folder", str(labels)), None, ("embedded",), tmp_path / "one")
    alone = on.footage("train")
    together = replace(on, store=tmp_path / "two", jobs=2).footage("train")
    assert alone.shape == (24, 8, 160)
    assert alone.labels[0].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
    assert alone.abnormal.tolist() == [True, False, False]
    assert np.array_equal(alone.values(alone.sites), together.values(together.sites))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.safetensors")}
    on.footage("train", sites=[Site("residual", 3)])
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.safetensors")
    } == kept
    assert not on.has("test")


def test_present_separates_existing_from_missing_models(tmp_path: Path) -> None:
    assert present(("embedded", str(tmp_path / "none"), str(tmp_path))) == (
        ("embedded", str(tmp_path)),
        (str(tmp_path / "none"),),
    )


def test_tables_round_trip_through_json_and_escape_bars() -> None:
    table = Table("T", ("a", "b"), (("x|y", "1"),), "note", (Claim("c", "+0.1", "yes"),))
    assert Table.from_json(json.loads(json.dumps(table.to_json()))) == table
    assert "x\\|y" in table.to_markdown()
    with pytest.raises(ValueError, match="2 columns"):
        Table("T", ("a", "b"), (("x",),))


def test_the_page_answers_every_claim_and_the_key_follows_the_settings(
    tmp_path: Path,
) -> None:
    claim, more = Claim("middle beats last", "+0.1", "yes"), Claim("fusion wins", "-0.1", "no")
    done = [
        results.Done("layers", (Table("L", ("a",), (("1",),), claims=(claim,)),), 3.0),
        results.Done("beyond", (Table("B", ("a",), (("1",),), claims=(more,)),), 4.0),
    ]
    on = Study(("folder", "x"), None, ("embedded",), tmp_path)
    text = results.page(done, on, "the command")
    first, second = text.index("Does the paper's claim"), text.index("what goes beyond")
    assert first < text.index("middle beats last") < second < text.index("fusion wins")
    assert "| middle beats last | +0.1 | **yes** |" in text
    keys = {results._key("layers", replace(on, seeds=seeds)) for seeds in (2, 3, 2)}
    assert len(keys) == 2


def test_scores_by_layer_equal_those_of_a_probe(train: Footage, test: Footage) -> None:
    from hiprobe.probe import fit

    pairs = list(zip(train.states, train.labels, strict=True))
    probe = fit("hiprobe", pairs, sites=(Site("residual", 1),), permutations=0)
    expected = test.smoothed(np.concatenate([probe.score(one) for one in test.states]))
    assert every_layer(train, test)[1] == pytest.approx(expected)
