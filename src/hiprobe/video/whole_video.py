"""One window over a whole video, as HeadHunt-VAD reads the videos that it calibrates on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from os import PathLike

from hiprobe.types import Gap, Recipe, Segment, VideoFacts
from hiprobe.video import decoder

SMALL = (16, 16)  # height and width of the frames of the pass that finds the end


class WholeVideo:
    """Iterate over the single `Segment` of a recipe whose unit is the video.

    Its frames are sampled as in any window, from 0 to the end of the last frame. A first pass finds
    that end, because the stated one may be wrong. What it says of the video is as in
    `SegmentReader`, but it measures no controls. There is no segment if the video lasts 0 s. Raises
    the errors of `span`.

    >>> from hiprobe.embedded import VIDEO
    >>> (one,) = WholeVideo(VIDEO, Recipe("model", ("prompt",), frames=4, unit="video"))
    >>> one.start, round(one.end, 3), one.times.round(1).tolist()
    (0.0, 40.0, [5.0, 15.0, 25.0, 35.0])
    """

    before: Segment | None = None
    facts: VideoFacts | None = None

    def __init__(self, path: str | PathLike[str], recipe: Recipe) -> None:
        self.duration, self.skipped, self._path, self._recipe = 0.0, 0, path, recipe
        self.gaps: tuple[Gap, ...] = ()

    def __iter__(self) -> Iterator[Segment]:
        scan = decoder.segments(self._path, replace(self._recipe, frames=1, size=SMALL))
        for _ in scan:
            pass
        self.duration, self.gaps, self.skipped = scan.duration, scan.gaps, scan.skipped
        if scan.duration > 0:
            size = self._recipe.size
            yield decoder.span(self._path, 0.0, scan.duration, self._recipe.frames, size)
