"""How long a recipe takes on this machine, before it is run.

The operations of a model are counted (`hiprobe.backbones.SegmentWork`), the speed of this machine
is measured in about two seconds and remembered, and both are divided. A model that is loaded can
be measured instead. Knows no command line.
"""

from __future__ import annotations

from hiprobe.estimate.cache import cores, processor
from hiprobe.estimate.cheaper import LEAST_GAIN, Cheaper, cheaper_recipe
from hiprobe.estimate.choices import MACHINES, Machine, depth_read, first_choices, memory_gb
from hiprobe.estimate.decoding import DecodingSpeed, measure_decoding
from hiprobe.estimate.forecast import Forecast, cheaper_segment, expected_segment_s, forecast
from hiprobe.estimate.here import memory_bytes, this_machine
from hiprobe.estimate.measured import ModelSpeed, measure_model
from hiprobe.estimate.precision import FASTEST, fastest
from hiprobe.estimate.prediction import blocks_read, predict_s, say_duration
from hiprobe.estimate.speeds import CANNOT_COMPUTE, Speeds, measured_speeds, why_not

__all__ = [
    "CANNOT_COMPUTE",
    "FASTEST",
    "LEAST_GAIN",
    "MACHINES",
    "Cheaper",
    "DecodingSpeed",
    "Forecast",
    "Machine",
    "ModelSpeed",
    "Speeds",
    "blocks_read",
    "cheaper_recipe",
    "cheaper_segment",
    "cores",
    "depth_read",
    "expected_segment_s",
    "fastest",
    "first_choices",
    "forecast",
    "measure_decoding",
    "measure_model",
    "measured_speeds",
    "memory_bytes",
    "memory_gb",
    "predict_s",
    "processor",
    "say_duration",
    "this_machine",
    "why_not",
]
