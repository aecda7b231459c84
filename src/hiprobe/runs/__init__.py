"""Detection in many videos, resumable: shared by local runs and by runs on a cluster."""

from __future__ import annotations

from hiprobe.runs.detection import (
    STORE,
    DetectionRun,
    Given,
    Keep,
    as_video,
    check_out,
    enter_unread,
    forget,
    given_up,
    recipes_read,
    record_run,
    result_settings,
    time_setting,
    unscored,
    verifies,
    where_setting,
)
from hiprobe.runs.finished import Wanted, without_model
from hiprobe.runs.options import RunOptions, run_options

__all__ = [
    "STORE",
    "DetectionRun",
    "Given",
    "Keep",
    "RunOptions",
    "Wanted",
    "as_video",
    "check_out",
    "enter_unread",
    "forget",
    "given_up",
    "recipes_read",
    "record_run",
    "result_settings",
    "run_options",
    "time_setting",
    "unscored",
    "verifies",
    "where_setting",
    "without_model",
]
