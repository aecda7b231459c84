"""Parquet: the scores of each frame of all videos as one table, one row per frame. Knows no video.

Needs pyarrow, which the extra `formats` installs.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from hiprobe.errors import UsageError
from hiprobe.formats import FrameScores

suffix, one_file = ".parquet", True


def write_frame_scores(videos: Sequence[FrameScores]) -> bytes:
    """Make a table with the columns video, frame, time, raw and smoothed; null without a score.

    Raises UsageError if pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UsageError(
            f"parquet needs {error.name}", cure="pip install 'hiprobe[formats]'"
        ) from error
    schema = pyarrow.schema(
        [
            ("video", pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
            ("frame", pyarrow.int64()),
            ("time", pyarrow.float64()),
            ("raw", pyarrow.float64()),
            ("smoothed", pyarrow.float64()),
        ]
    )
    data = io.BytesIO()
    with parquet.ParquetWriter(data, schema) as writer:
        for one in videos:
            count = len(one.times)
            columns = [
                pyarrow.array([one.name] * count, schema.field("video").type),
                pyarrow.array(np.arange(count)),
                *(
                    pyarrow.array(values, from_pandas=True)
                    for values in (one.times, one.raw, one.smoothed)
                ),
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
    return data.getvalue()
