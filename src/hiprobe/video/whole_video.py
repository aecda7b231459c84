"""One window over a whole video, as HeadHunt-VAD reads the videos that it calibrates on."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike

from hiprobe.types import Gap, Recipe, Segment, VideoFacts
from hiprobe.video import decoder


class WholeVideo:
    """Iterate over the single `Segment` of a recipe whose unit is the video.

    Its frames are sampled as in any window, from 0 to the end of the video. What it says of the
    video is as in `SegmentReader`, but it looks for no gaps and measures no controls. Raises the
    errors of `span`.

    >>> from hiprobe.embedded import VIDEO
    >>> (one,) = WholeVideo(VIDEO, Recipe("model", ("prompt",), frames=4, unit="video"))
    >>> one.start, one.end, one.times.round(1).tolist()
    (0.0, 40.0, [5.0, 15.0, 25.0, 35.0])
    """

    before: Segment | None = None
    gaps: tuple[Gap, ...] = ()
    skipped = 0
    facts: VideoFacts | None = None

    def __init__(self, path: str | PathLike[str], recipe: Recipe) -> None:
        self.duration, self._path, self._recipe = 0.0, path, recipe

    def __iter__(self) -> Iterator[Segment]:
        end = decoder.info(self._path).duration or float(decoder.frame_times(self._path)[-1])
        found = decoder.span(self._path, 0.0, end, self._recipe.frames, self._recipe.size)
        self.duration = found.end
        yield found
