"""Every kind of input, from a stranger: a named error on one line, within time and memory limits."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from fuzz.backbone import Colours, a_probe
from PIL import Image
from tests.support import fake_backbone
from tests.support.hostile_files import (
    DEEP,
    NOT_FILES,
    PICTURES,
    POSTSCRIPT,
    TERABYTE,
    VIDEOS,
    Make,
    data,
    limits,
    link,
    npz,
    sparse,
)
from tests.support.numbered_videos import numbered, steady, write
from tests.support.reference_reading import clips

from hiprobe import backbones, datasets, evaluation, pipeline, probe, store, video
from hiprobe.backbones import _folder
from hiprobe.errors import HiProbeError, ModelError
from hiprobe.evaluation import frame_times
from hiprobe.evaluation.markdown import markdown_table
from hiprobe.review import results as shown
from hiprobe.store import leases, results
from hiprobe.types import Result, Site

Read = Callable[[Path], Any]


def refused(read: Callable[[], Any], kind: type[HiProbeError] = HiProbeError) -> HiProbeError:
    """Return the named error of reading something hostile, which must fit on one line."""
    with limits(), pytest.raises(HiProbeError) as caught:
        read()
    assert isinstance(caught.value, kind), repr(caught.value)
    assert str(caught.value).isprintable()
    assert not str(caught.value.__cause__).startswith("in the child process"), caught.value
    return caught.value


# -- not a file


def masks(path: Path) -> None:
    datasets.truth("ucsd_ped", path.parent.parent.parent, rule="masks")


def ucsd(path: Path) -> None:
    clip = path.parent / "Test001"
    clip.mkdir(exist_ok=True)
    (clip / "1.tif").touch()
    datasets.truth("ucsd_ped", path.parent.parent, rule="ranges")


def mask_of_a_clip(path: Path) -> None:
    clip = path.parent.with_name("Test001")
    clip.mkdir(exist_ok=True)
    (clip / "1.tif").touch()
    masks(path)


def states(path: Path) -> None:
    store.load_states(path)


EXPECTED: dict[str, tuple[str, Read]] = {  # the place of a file, and what reads it
    "a video": ("a.mp4", lambda path: list(video.segments(path, fake_backbone.RECIPE))),
    "a video's digest": ("a.mp4", video.digest),
    "a picture": ("clip/2.png", lambda path: video.digest(f"{path.parent}@10fps")),
    "a picture that is decoded": (
        "clip/1.png",
        lambda path: video.info(f"{path.parent}@10fps"),
    ),
    "a probe": ("p.safetensors", probe.Probe.load),
    "labels": ("labels.csv", lambda path: list(datasets.load("folder", path))),
    "scores in JSON": ("s.json", evaluation.read_scores),
    "scores in NPZ": ("s.npz", evaluation.read_scores),
    "scores in CSV": ("s.csv", evaluation.read_scores),
    "hidden states": ("float32-ab.safetensors", states),
    "a result": ("v/result.json", lambda path: results.read_result(path.parent)),
    "a manifest": ("manifest.jsonl", lambda path: shown.entries(path.parent)),
    "a manifest to add to": ("manifest.jsonl", lambda path: store.note(path.parent, [])),
    "frame times": (
        "frame_times/" + "ab" * 16 + ".npy",
        lambda path: frame_times.kept_frame_times("a.mp4", "ab" * 32, path.parent.parent),
    ),
    "frame counts": ("frame_counts.csv", lambda path: datasets.truth("xd_violence", path.parent)),
    "masks of ShanghaiTech": (
        "test_frame_mask/01.npy",
        lambda path: datasets.truth("shanghaitech", path.parent.parent),
    ),
    "ranges of UCSD": ("UCSDped2/Test/UCSDped2.m", ucsd),
    "a mask of UCSD": ("UCSDped2/Test/Test001_gt/1.bmp", mask_of_a_clip),
}


@pytest.mark.parametrize("what", NOT_FILES)
@pytest.mark.parametrize("expected", EXPECTED)
def test_what_is_not_a_file_of_a_fair_size_is_refused(
    tmp_path: Path, expected: str, what: str
) -> None:
    name, read = EXPECTED[expected]
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png" and path.name != "1.png":
        Image.new("RGB", (8, 8)).save(path.with_name("1.png"))
    NOT_FILES[what](path)
    refused(lambda: read(path))


# -- videos and pictures


def failed_result(path: str | Path) -> HiProbeError:
    """Return the error of a `failed` result."""
    errors: list[HiProbeError] = []
    with limits():
        (result,) = pipeline.detect_all(
            [path],
            Colours(),
            a_probe(),
            explain=False,
            failed=lambda _, error: errors.append(error),
        )
    assert (result.status, result.scores) == ("failed", None)
    assert str(errors[0]).isprintable()
    assert str(result.reason).isprintable()
    return errors[0]


@pytest.mark.parametrize("name", VIDEOS)
def test_a_file_that_is_no_video_is_a_failed_result(tmp_path: Path, name: str) -> None:
    VIDEOS[name](tmp_path / name)
    error = failed_result(tmp_path / name)
    assert not str(error.__cause__).startswith("in the child process"), error


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_is_not_what_its_suffix_says_is_a_failed_result(
    tmp_path: Path, kind: str
) -> None:
    name, make = PICTURES[kind]
    (tmp_path / "clip").mkdir()
    for number in (1, 3):
        Image.fromarray(numbered(number)).save(tmp_path / "clip" / f"{number}{Path(name).suffix}")
    make(tmp_path / "clip" / name)
    error = failed_result(f"{tmp_path / 'clip'}@10fps")
    assert not str(error.__cause__).startswith("in the child process"), error
    assert name in str(error) or "another" in kind


def test_a_large_file_that_is_no_video_is_not_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[object] = []
    monkeypatch.setattr("hiprobe.video.content.hashlib.file_digest", lambda *a: hashed.append(a))
    for name in ("zeros_70MB.mp4", "ten_terabytes.mp4", "terabyte_of_video.mp4"):
        VIDEOS[name](tmp_path / name)
        refused(lambda path=tmp_path / name: video.digest(path))
    assert hashed == []


def test_a_large_video_with_holes_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """Recorders reserve room for a file; such a hole is no reason to refuse it."""
    path = write(tmp_path / "a.ts", steady(20, 10), rate=10)
    os.truncate(path, 80 << 20)
    assert video.digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


# -- the command line, over all of them at once


@pytest.mark.long
def test_one_command_over_all_hostile_files_does_the_sound_video(tmp_path: Path) -> None:
    """And starts no program: Pillow calls Ghostscript for PostScript whatever the suffix is."""
    folder, out, ran = tmp_path / "in", tmp_path / "out", tmp_path / "ran"
    folder.mkdir()
    for name, make in VIDEOS.items():
        make(folder / name)
    clips = []
    for number, (name, make) in enumerate(PICTURES.values()):
        clip = folder / f"clip{number:02}"
        clip.mkdir()
        Image.fromarray(numbered(1)).save(clip / f"1{Path(name).suffix}")
        make(clip / name)
        clips.append(f"{clip}@10fps")
    for number, make in enumerate(NOT_FILES.values()):
        (folder / f"odd{number}").mkdir()
        make(folder / f"odd{number}" / "a.mp4")
    write(folder / "sound.avi", steady(20, 10), codec="mpeg4", rate=10)
    fake_backbone.constant_probe().save(tmp_path / "p.safetensors")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {ran}\necho 10.0\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    command = ["detect", folder, *clips, "-p", tmp_path / "p.safetensors", "-o", out]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hiprobe",
            *map(str, command),
            "--model",
            "tests.support.fake_backbone:load",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "terabyte_of_video.mp4: has 900 GiB; reading it for its digest" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    status = {Path(line["name"]).name: line["status"] for line in lines}
    assert status.pop("sound.avi") == "done"
    assert set(status.values()) == {"failed"}
    assert len(status) >= len(VIDEOS) + len(PICTURES)
    assert not ran.exists()


# -- probes, states, results


def safetensors(header: bytes, length: int | None = None) -> Make:
    return data(struct.pack("<Q", len(header) if length is None else length) + header)


HEADERS: dict[str, Make] = {
    "a header of 2**63 bytes": safetensors(b"{}", 2**63),
    "a header longer than the file": safetensors(b"{}", 1000),
    "deep JSON": safetensors(DEEP),
    "no object": safetensors(b"[]"),
    "control characters": safetensors(b'{"\x1b[31m": 1}'),
    "tensors outside": safetensors(
        b'{"values":{"dtype":"F32","shape":[999999999999],"data_offsets":[0,3999999999996]},'
        b'"__metadata__":{"hiprobe":"{}"}}'
    ),
    "negative shapes": safetensors(
        b'{"values":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]},'
        b'"__metadata__":{"hiprobe":"{}"}}    '
    ),
    "a pickle": data(b"cos\nsystem\n(S'touch /tmp/x'\ntR."),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_hostile_tensor_file_is_refused_as_probe_and_as_states(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "float32-ab.safetensors"
    HEADERS[kind](path)
    refused(lambda: probe.Probe.load(path))
    refused(lambda: states(path))


def test_a_probe_takes_as_much_memory_as_its_file(tmp_path: Path) -> None:
    """`ulimit -v` may leave far less than the largest probe that is allowed."""
    a_probe().save(tmp_path / "p.safetensors")
    probe.Probe.load(tmp_path / "p.safetensors")
    with limits(room=100 << 20):
        assert probe.Probe.load(tmp_path / "p.safetensors").digest == a_probe().digest


JSON: dict[str, Make] = {
    "deep": data(DEEP),
    "not UTF-8": data(b"\xff\xfe\x00"),
    "a number of 5,000 digits": data(b'{"schema": ' + b"9" * 5000 + b"}"),
    "a list": data(b"[1, 2]"),
    "control characters": data(b'{"schema": "\\u001b[31m\\u0007"}'),
    "passwords": link("/etc/passwd"),
}


@pytest.mark.parametrize("kind", JSON)
def test_hostile_json_is_refused_as_result_as_manifest_and_as_scores(
    tmp_path: Path, kind: str
) -> None:
    for name in ("v/result.json", "manifest.jsonl", "s.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        JSON[kind](path)
    refused(lambda: results.read_result(tmp_path / "v"))
    with limits(), suppress(HiProbeError):  # a damaged line is a video that failed
        assert all(one.status == "failed" for one in shown.entries(tmp_path))
    refused(lambda: evaluation.read_scores(tmp_path / "s.json"))
    assert results.result_facts(tmp_path / "v") is None


def test_a_name_in_a_table_of_figures_controls_no_terminal() -> None:
    text = markdown_table(("video", "AUC"), [["\x1b[31mred\nrow\x07", ".5"]])
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert len(text.split("\n")) == 3


def test_an_archive_of_scores_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    made = bytearray(npz(bytes(100)))
    struct.pack_into("<I", made, made.index(b"PK\1\2") + 24, 2**32 - 2)
    (tmp_path / "s.npz").write_bytes(made)
    refused(lambda: evaluation.read_scores(tmp_path / "s.npz"))


@pytest.mark.parametrize("part", ["index.sqlite", "index.sqlite-wal", "index.sqlite-journal"])
@pytest.mark.parametrize("kind", ["a pipe", "a link out"])
def test_an_index_that_is_no_file_is_replaced_and_nothing_is_written_through_it(
    tmp_path: Path, part: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine" * 1000)
    place = tmp_path / "out" / ".store"
    place.mkdir(parents=True)
    (os.mkfifo if kind == "a pipe" else link(str(outside)))(place / part)
    with limits(), leases.LeaseHolder(place, {}, 1) as worker:
        assert worker.has(worker.claim("a-1", "a.mp4", "1"))
    assert outside.read_bytes() == b"mine" * 1000
    assert (place / "index.sqlite").is_file()


@pytest.mark.parametrize("part", ["review.sqlite", "review.sqlite-wal", ""])
def test_judgements_are_not_written_through_a_link(tmp_path: Path, part: str) -> None:
    from hiprobe.review.judgements import Judgements

    outside = tmp_path / "outside"
    folder = tmp_path / "out" / ".review"
    folder.parent.mkdir()
    if part:
        folder.mkdir()
        outside.write_bytes(b"")
        (folder / part).symlink_to(outside)
    else:
        outside.mkdir()
        folder.symlink_to(outside)
    refused(lambda: Judgements(folder))
    assert [*outside.iterdir()] == [] if outside.is_dir() else outside.read_bytes() == b""


# -- places of results


def detect(videos: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run the command over a folder of videos."""
    fake_backbone.constant_probe().save(videos.parent / "p.safetensors")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hiprobe", "detect", str(videos), "-o", str(out)),
            *("-p", str(videos.parent / "p.safetensors")),
            *("--model", "tests.support.fake_backbone:load"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def a_video(path: Path, frames: int = 20) -> Path:
    path.parent.mkdir(exist_ok=True)
    return write(path, steady(frames, 10), codec="mpeg4", rate=10)


def taken(name: str, make: Make) -> Callable[[Path], object]:
    def prepare(place: Path) -> None:
        place.mkdir(parents=True)
        make(place / name)

    return prepare


def instead(make: Make) -> Callable[[Path], object]:
    def prepare(place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        make(place)

    return prepare


BLOCKED = {
    "result.json is a folder": taken("result.json", Path.mkdir),
    "result.json is a pipe": taken("result.json", os.mkfifo),
    "result.json is a link out": taken("result.json", link("../../outside/x")),
    "events.jsonl is a pipe": taken("events.jsonl", os.mkfifo),
    "timeline.png is a folder": taken("timeline.png", Path.mkdir),
    "the folder is a file": instead(data(b"x")),
    "the folder is a link out": instead(link("../outside")),
    "the folder is a link to itself": instead(lambda path: path.symlink_to(path.name)),
}


def test_results_that_cannot_be_placed_are_failed_ones_and_the_others_are_done(
    tmp_path: Path,
) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    a_video(tmp_path / "in" / "sound.avi")
    for number, kind in enumerate(BLOCKED):
        path = a_video(tmp_path / "in" / f"{kind}.avi", 21 + number)
        BLOCKED[kind](store.result_folder(out, Result(str(path), video.digest(path), "failed")))
    for _ in range(2):
        done = detect(tmp_path / "in", out)
        lines = map(json.loads, (out / "manifest.jsonl").read_text().splitlines())
        status = {Path(one["name"]).stem: one["status"] for one in lines}
        assert done.returncode == 3, done.stderr
        assert status == {"sound": "done", **dict.fromkeys(BLOCKED, "failed")}
        assert done.stderr.count("BlockedResult: ") == len(BLOCKED)
        assert [*outside.iterdir()] == []


@pytest.mark.parametrize("inside", ["", fake_backbone.RECIPE.digest[:16]])
def test_states_and_index_are_not_written_through_a_link(tmp_path: Path, inside: str) -> None:
    (tmp_path / "outside").mkdir()
    place = tmp_path / "out" / ".store" / inside
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "outside")
    a_video(tmp_path / "in" / "a.avi")
    done = detect(tmp_path / "in", tmp_path / "out")
    assert (done.returncode, "StoreError: " in done.stderr) == (4, True), done.stderr
    assert f"{place}: is a link, and nothing is written through links" in done.stderr
    assert [*(tmp_path / "outside").iterdir()] == []


def test_a_lock_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / ".manifest.jsonl.lock").symlink_to(tmp_path / "outside")
    refused(lambda: store.note(tmp_path, []))
    assert not (tmp_path / "outside").exists()


# -- UCSD's tables


@pytest.mark.parametrize(
    "text",
    ["gt_frame = [", "gt_frame" + " " * 9, "gt_frame = [1 1 1 ", "gt_frame = [61:180;9];"],
)
def test_a_large_table_of_ucsd_is_parsed_in_time(tmp_path: Path, text: str) -> None:
    """The old pattern looked through the rest of the file at every bracket."""
    clip = tmp_path / "UCSDped2" / "Test" / "Test001"
    clip.mkdir(parents=True)
    (clip / "1.tif").touch()
    (clip.parent / "UCSDped2.m").write_text(text * (2**20 // len(text)))
    refused(lambda: datasets.truth("ucsd_ped", tmp_path, rule="ranges"))


@pytest.mark.parametrize("make", [data(POSTSCRIPT), data(b""), data(b"BM" + bytes(100))])
def test_a_hostile_mask_of_ucsd_is_refused(tmp_path: Path, make: Make) -> None:
    folder = tmp_path / "UCSDped2" / "Test"
    (folder / "Test001").mkdir(parents=True)
    (folder / "Test001" / "1.tif").touch()
    (folder / "Test001_gt").mkdir()
    make(folder / "Test001_gt" / "1.bmp")
    error = refused(lambda: datasets.truth("ucsd_ped", tmp_path, rule="masks"))
    assert "1.bmp: not a valid mask" in str(error)


# -- model folders


def config(**changes: Any) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text())
        values["text_config"].update(changes)
        (folder / "config.json").write_text(json.dumps(values))

    return damage


def replaced(name: str, make: Make) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return damage


def template(text: str) -> Callable[[Path], object]:
    return replaced("chat_template.jinja", data(text.encode()))


def sharded(name: object) -> Callable[[Path], object]:
    return replaced(
        _folder.INDEX_FILE, data(json.dumps({"metadata": {}, "weight_map": {"a": name}}).encode())
    )


def tokenizer_file(key: str) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), key: "../../etc/passwd"}))

    return damage


MODELS: dict[str, Callable[[Path], object]] = {
    "0 heads": config(num_attention_heads=0, num_key_value_heads=0),
    "-1 heads": config(num_attention_heads=-1),
    "0 wide": config(hidden_size=0),
    "words for heads": config(num_attention_heads="\x1b[31m4"),
    "a list for layers": config(num_hidden_layers=[4]),
    "deep config": replaced("config.json", data(b'{"model_type": ' + DEEP)),
    "deep tokenizer": replaced("tokenizer.json", data(DEEP)),
    "deep settings": replaced("hiprobe.json", data(DEEP)),
    "a template that is not closed": template("{% for a in b %}"),
    "a template that raises": template("{{ raise_exception('\x1b[31m\x07red\nline') }}"),
    "a template that divides by 0": template("{{ 1 / 0 }}"),
    "a template with an unknown filter": template("{{ messages | nonesuch }}"),
    "a template of undefined names": template("{{ a.b.c.d }}"),
    "a template that calls itself": template("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"),
    "a template that looks inside": template("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    "a template that includes a file": template("{% include '/etc/passwd' %}"),
    "a template that is large": template("{{ 'a' * 10 ** 13 }}"),
    "a template that is not text": replaced("chat_template.jinja", data(b"\xff\xfe")),
    "weights outside": sharded("../../etc/passwd"),
    "weights at the root": sharded("/etc/passwd"),
    "weights that are a number": sharded(3),
    "a list of weights": replaced(_folder.INDEX_FILE, data(b'{"weight_map": [1]}')),
    "a vocabulary outside": tokenizer_file("vocab_file"),
    "a tokenizer outside": tokenizer_file("tokenizer_file"),
    "pipe as weights": replaced("model.safetensors", os.mkfifo),
    "pipe as config": replaced("config.json", os.mkfifo),
    "pipe as tokenizer": replaced("tokenizer.json", os.mkfifo),
    "pipe as template": replaced("chat_template.jinja", os.mkfifo),
    "pipe as generation config": replaced("generation_config.json", os.mkfifo),
    "zeros as weights": replaced("model.safetensors", link("/dev/zero")),
    "a terabyte of weights": replaced(
        "model.safetensors", sparse(TERABYTE, b"\x02" + bytes(7) + b"{}")
    ),
    "a terabyte of config": replaced("config.json", sparse(TERABYTE)),
    "a terabyte of template": replaced("chat_template.jinja", sparse(TERABYTE)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_hostile_model_folder_is_a_model_error(checkpoint: Path, kind: str) -> None:
    MODELS[kind](checkpoint)
    error = refused(lambda: backbones.load(str(checkpoint), device="cpu"), ModelError)
    assert "\x1b" not in error.named + str(error.cure)


MISFITS: dict[str, Callable[[Path], object]] = {
    "no video in the template": template("is anything wrong here"),
    "two videos in the template": template("<|video_pad|> <|video_pad|>"),
    "an empty template": template(" "),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_a_model_whose_files_do_not_fit_each_other_is_a_model_error(
    checkpoint: Path, kind: str
) -> None:
    MISFITS[kind](checkpoint)
    with limits(), pytest.raises(ModelError, match="cannot prepare a prompt"):
        backbones.load(str(checkpoint), device="cpu").read(clips(1), [Site("residual", 1)])
