"""Test that clips are stored, checked and viewed as they are labelled, and that runs continue."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training import stand_in
from tests.training.stand_in import act, still
from training.drawn.clips import STATES as drawn_states
from training.drawn.clips import training_clip
from training.feed import Clips, Look, Plan
from training.model import Shape, build, save
from training.sample import (
    WHOLE,
    choose,
    content,
    in_view,
    of_drawn,
    resize,
    sample,
    share_inside,
    whole,
)
from training.train import Call, Settings, train
from training.world.filming.recording import play

from hiprobe.backbones import auto
from training import checkpoints, prepare, store, text

MAKER = "tests.training.stand_in:render_clip"
TINY = Settings(
    steps=4, batch=4, drawn=0.25, warm=2, vision_depth=1, vision_width=32, depth=2, width=64
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of runs with 12 clips in two shards."""
    monkeypatch.setenv("HIPROBE_RUNS", str(tmp_path))
    monkeypatch.setattr(store, "renderer_digest", lambda: "a" * 64)
    for first in (0, 6):
        prepare.make_shard(tmp_path / "clips", MAKER, 1, first, 6, "a" * 64)
    return tmp_path


def test_a_stored_clip_is_the_one_that_was_rendered(home: Path) -> None:
    found = store.entries(home / "clips")
    assert [(e.seed, e.first, e.clips) for e in found] == [(1, 0, 6), (1, 6, 6)]
    for entry in found:
        shard = store.shard(home / "clips" / entry.name)
        assert len(shard) == 6
        for row in range(6):
            made = stand_in.render_clip(np.random.default_rng([1, entry.first + row]))
            kept = shard.clip(row)
            assert kept.data == made.data
            (one,), (other,) = kept.acts, made.acts
            assert (one.state, one.kind, one.people) == (other.state, other.kind, other.people)
            np.testing.assert_array_equal(one.box, other.box)
            np.testing.assert_array_equal(one.on, other.on)


def test_a_clip_without_acts_is_stored(tmp_path: Path) -> None:
    clips = [stand_in.Footage(b"abc", []), stand_in.Footage(b"de", [])]
    entry = store.write(tmp_path, clips, seed=1, first=0, renderer="b" * 64)
    assert store.shard(tmp_path / entry.name).clip(1).data == b"de"
    assert store.shard(tmp_path / entry.name).clip(1).acts == []


def test_finished_shards_are_skipped_and_others_made_whole(home: Path) -> None:
    folder = home / "clips"
    assert prepare.todo(folder, 12, 1, "a" * 64, 6) == []
    assert prepare.todo(folder, 13, 1, "a" * 64, 6) == [(12, 6)]
    assert prepare.todo(folder, 7, 2, "a" * 64, 6) == [(0, 6), (6, 6)]
    assert prepare.todo(folder, 6, 1, "c" * 64, 6) == [(0, 6)]


def test_workers_make_the_same_clips(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.prepare(home / "again", 6, 1, 1, maker=MAKER, size=6, nice=True)
    (entry,) = store.entries(home / "again")
    assert entry.sha256 == store.entries(home / "clips")[0].sha256
    assert "clips/s" in capsys.readouterr().out


def test_a_state_without_words_is_refused_when_clips_are_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no words for juggle"):
        prepare.make_shard(tmp_path, "tests.training.test_clip_store:juggler", 1, 0, 1, "a" * 64)
    assert not list(tmp_path.iterdir())


def juggler(rng: np.random.Generator) -> stand_in.Footage:
    """Make a clip of something that has no words."""
    clip = stand_in.render_clip(rng)
    return stand_in.Footage(clip.data, [replace(clip.acts[0], state="juggle")])


def test_a_damaged_shard_is_refused_by_name(home: Path) -> None:
    entry = store.entries(home / "clips")[1]
    path = home / "clips" / entry.name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(store.ShardError, match=entry.name):
        store.usable(home / "clips", "a" * 64)


def test_shards_of_an_older_renderer_are_refused_unless_mixed(home: Path) -> None:
    prepare.make_shard(home / "clips", MAKER, 1, 12, 6, "b" * 64)
    old = next(e.name for e in store.entries(home / "clips") if e.renderer[0] == "b")
    with pytest.raises(store.ShardError, match=f"{old}.*--mixed"):
        store.usable(home / "clips", "a" * 64)
    assert len(store.usable(home / "clips", "a" * 64, mixed=True)) == 3
    with pytest.raises(store.ShardError, match=r"run python -m training\.prepare"):
        store.usable(home / "nothing", "a" * 64)


def test_the_digest_of_the_renderer_changes_with_its_sources(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    first = store.renderer_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("1")
    assert store.renderer_digest(tmp_path) == first
    (tmp_path / "a.py").write_text("2")
    assert store.renderer_digest(tmp_path) != first


# -- views and labels


def test_a_picture_is_scaled_by_area() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, 192, 192, 3), np.uint8)
    found = resize(frames, WHOLE, 96, np.ones(3), np.zeros(3))
    wanted = frames.reshape(2, 96, 2, 96, 2, 3).mean((2, 4))
    np.testing.assert_allclose(found, wanted, atol=0.51)
    part = resize(frames, (0.25, 0.5, 0.75, 1.0), 96, np.ones(3), np.zeros(3))
    np.testing.assert_array_equal(part, frames[:, 96:, 48:144])
    brighter = resize(frames, WHOLE, 96, np.array([2.0, 1.0, 0.0]), np.array([0.0, 5.0, 7.0]))
    np.testing.assert_allclose(brighter[..., 0], np.minimum(2 * wanted[..., 0], 255), atol=0.51)
    assert (brighter[..., 2] == 7).all()


def test_the_labels_of_a_view_are_where_its_pixels_show_the_act() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        made = stand_in.render_clip(rng)
        found = sample(rng, play(made.data), made.acts)
        (shown,) = made.acts
        if found.content.kind != shown.state:
            assert found.content.kind == "empty"
            continue
        ground = np.median(found.frames[:, :2].reshape(-1, 3), 0)
        near = (np.abs(found.frames - ground).sum(-1) > 45).any(0)
        share = near.reshape(6, 16, 6, 16).mean((1, 3))
        marked = found.cells[:, text.STATES.index(shown.state)].reshape(6, 6) > 0
        assert marked[share > 0.6].all(), seed
        assert not marked[share == 0].any(), seed
        if found.content.place:
            column = np.flatnonzero(near.any(0)).mean() / 96
            assert (
                abs(column - (("left", "middle", "right").index(found.content.place) + 0.5) / 3)
                < 0.22
            )


def test_mirrored_boxes_swap_left_and_right() -> None:
    box = still(0.1, 0.2, 0.3, 0.6)
    np.testing.assert_allclose(in_view(box, WHOLE, True)[0], [0.7, 0.2, 0.9, 0.6], atol=1e-6)
    np.testing.assert_allclose(
        in_view(box, (0.1, 0.2, 0.5, 0.6), False)[0], [0.0, 0.0, 0.5, 1.0], atol=1e-6
    )


def test_no_view_cuts_an_anomaly_ambiguously() -> None:
    shown, kept = act("fight", still(0.1, 0.1, 0.3, 0.4)), 0
    for seed in range(300):
        part = choose(np.random.default_rng(seed), [shown])
        share = share_inside(shown, part)
        assert share <= 0.25 or share >= 0.75
        kept += share >= 0.75
    assert 250 < kept < 300


def test_what_is_not_on_or_not_in_view_is_not_shown() -> None:
    def kind(*acts: stand_in.Shown) -> tuple[str | None, bool, int]:
        found = content(acts, [one.box for one in acts])
        return found.kind, found.abnormal, found.people

    fight, walk = act("fight", still(0.4, 0.4, 0.6, 0.6)), act("walk", still(0.1, 0.1, 0.2, 0.4))
    assert kind(walk, fight) == ("fight", True, 3)
    before = replace(fight, on=np.zeros(8, bool))
    assert kind(walk, before) == ("walk", False, 3)
    assert kind(before) == (None, False, 2)
    assert kind(replace(fight, box=still(1.1, 0.4, 1.3, 0.6))) == ("empty", False, 0)
    assert kind(act("hug", still(0.4, 0.4, 0.6, 0.6)), walk) == ("hug", False, 3)
    assert kind() == ("empty", False, 0)


def test_a_drawn_clip_keeps_its_labels() -> None:
    for seed in range(8):
        clip = training_clip(np.random.default_rng(seed))
        for size, grid in ((96, 6), (128, 8)):
            found = of_drawn(clip, size)
            assert found.frames.shape == (8, size, size, 3)
            assert found.cells.shape == (grid * grid, len(text.STATES))
            shown = {drawn_states[i] for i in np.flatnonzero(clip.cells.any(0))}
            assert {text.STATES[i] for i in np.flatnonzero(found.cells.any(0))} == shown
            assert found.content.abnormal == clip.abnormal
            assert text.NAME[found.content.kind] == text.NAME[clip.kind]
        np.testing.assert_array_equal(of_drawn(clip).frames, clip.frames)
        assert of_drawn(clip).cells.sum() == clip.cells.sum()


def test_the_whole_picture_is_shown_unchanged() -> None:
    made = stand_in.render_clip(np.random.default_rng(3))
    found = whole(play(made.data), made.acts)
    assert found.content.kind == made.acts[0].state
    np.testing.assert_array_equal(found.frames, whole(play(made.data), made.acts).frames)


# -- runs


def plan(home: Path, **options: object) -> Plan:
    settings = {"seed": 1, "batch": 4, "drawn": 0.25, "renderer": "a" * 64, **options}
    return Plan(home / "clips", **settings)


def test_an_epoch_shows_each_stored_clip_at_most_once_and_the_share_of_drawn_ones(
    home: Path,
) -> None:
    made = plan(home)
    steps = [made.batch(step) for step in range(4)]  # 12 clips, 3 in a step
    assert all([name == "" for *_, name, _ in step].count(True) == 1 for step in steps)
    stored = [(name, row) for step in steps for _, _, name, row in step if name]
    assert len(set(stored)) == 12
    again = [(name, row) for step in range(4, 8) for _, _, name, row in made.batch(step) if name]
    assert set(again) == set(stored)
    assert again != stored


def test_new_shards_are_used_from_the_next_epoch(home: Path) -> None:
    made = plan(home)
    made.batch(0)
    prepare.make_shard(home / "clips", MAKER, 1, 12, 6, "a" * 64)
    first = {name for step in range(4) for _, _, name, _ in made.batch(step)}
    second = {name for step in range(4, 10) for _, _, name, _ in made.batch(step)}
    assert len(second - first) == 1
    kept = plan(home, epochs=json.loads(json.dumps(made.since(3))))
    assert [kept.batch(step) for step in range(3, 10)] == [made.batch(s) for s in range(3, 10)]
    assert len(made.since(4)) == 1


def test_an_old_shard_that_appears_during_a_run_does_not_stop_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = plan(home)
    made.batch(0)
    prepare.make_shard(home / "clips", MAKER, 1, 12, 6, "b" * 64)
    assert len({name for step in range(4, 8) for _, _, name, _ in made.batch(step)}) == 3
    assert "new shards are not used" in capsys.readouterr().out


def test_a_training_item_depends_only_on_what_is_asked_for(home: Path) -> None:
    name = store.entries(home / "clips")[0].name
    one, other = (Clips(home / "clips", Look()) for _ in range(2))
    for spec in ((3, 1, name, 2), (3, 3, "", 0)):
        other[(0, 0, name, 1)]
        for a, b in zip(one[spec], other[spec], strict=True):
            torch.testing.assert_close(a, b, equal_nan=True)


def test_a_run_that_was_stopped_continues_bit_for_bit(home: Path) -> None:
    torch.set_num_threads(1)
    straight = train(home / "straight", TINY, Call(workers=0, keep_every=1e9))
    train(home / "broken", TINY, Call(workers=0, until=2))
    broken = train(home / "broken", TINY, Call(workers=1))
    assert straight.step == broken.step == 4
    for mine, other in ((straight.net, broken.net), (straight, broken)):
        pairs = mine.average if mine is straight else mine.state_dict()
        others = other.average if other is broken else other.state_dict()
        for name, value in pairs.items():
            assert torch.equal(value, others[name]), name
    one, two = (home / run / "model" / "model.safetensors" for run in ("straight", "broken"))
    assert one.read_bytes() == two.read_bytes()
    assert json.loads((home / "broken" / "run.json").read_text())["steps_done"] == 4


def test_a_run_learns_is_measured_and_can_be_read(home: Path) -> None:
    torch.set_num_threads(1)
    prepare.make_shard(home / "held-out", MAKER, prepare.HELD_OUT_SEED, 0, 12, "a" * 64)
    run = train(home / "run", replace(TINY, style="sentence"), Call(workers=0, measure_every=4))
    lines = [json.loads(line) for line in (home / "run" / "log.jsonl").read_text().splitlines()]
    found = next(line["held_out"] for line in lines if "held_out" in line)
    assert found["clips"] == 12
    assert 0 <= found["auc"] <= 1
    assert auto.load(str(home / "run" / "model")).layers == run.settings.depth
    assert len(list((home / "run").glob("model-*"))) <= 2


def test_a_run_does_not_continue_with_other_settings(home: Path) -> None:
    train(home / "run", TINY, Call(workers=0, until=1))
    with pytest.raises(ValueError, match=r"peak 0\.0015 \(now 0\.1\)"):
        train(home / "run", replace(TINY, peak=0.1), Call(workers=0))
    assert train(home / "run", replace(TINY, steps=2), Call(workers=0)).step == 2


def test_a_call_ends_in_time_with_a_checkpoint(home: Path) -> None:
    run = train(home / "run", TINY, Call(workers=0, minutes=0))
    assert run.step == 1
    assert (home / "run" / "checkpoints" / "step-00000001.pt").exists()


def test_a_damaged_checkpoint_is_passed_over_and_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoints.keep(tmp_path, step, {"step": step})
    assert len(list((tmp_path / "checkpoints").glob("*.pt"))) == 2
    last = tmp_path / "checkpoints" / "step-00000003.pt"
    last.write_bytes(last.read_bytes()[:-1] + b"x")
    assert checkpoints.latest(tmp_path) == {"step": 2}
    assert checkpoints.latest(tmp_path / "none") is None


def test_older_weights_are_taken_over_word_by_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = Shape(96, 1, 32, 2, 64)
    with monkeypatch.context() as patched:
        patched.setattr(text, "EXTRA", ("aardvark", *text.EXTRA))  # shifts all words but one
        patched.setattr(text, "COUNTS", tuple(w for w in text.COUNTS if w != "three"))
        old, old_words = build(5, shape)
        save(old, old_words, tmp_path)
    model, words = build(6, shape)
    taken = checkpoints.take_over(model, words, tmp_path)
    known, now = old_words.get_vocab(), words.get_vocab()
    before, after = (m.get_input_embeddings().weight.detach() for m in (old, model))
    for word in ("fight", "yes", "<|im_end|>", "three"):
        same = torch.allclose(after[now[word]], before[known.get(word, 0)], atol=1e-3)
        assert same == (word in known)
    assert taken["words"] == len(known.keys() & now.keys())
    for name, value in old.model.visual.state_dict().items():
        torch.testing.assert_close(
            model.model.visual.state_dict()[name], value, atol=1e-3, rtol=1e-3
        )
    with pytest.raises(ValueError, match="train with the same sizes"):
        checkpoints.take_over(build(6, replace(shape, vision_width=64))[0], words, tmp_path)
