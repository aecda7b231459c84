"""The questions that a model is asked unless its folder or the caller says otherwise.

`PROMPT` is part of the recipe: another one needs a probe fitted with it.
"""

from __future__ import annotations

PROMPT = "Identify any abnormal events or safety hazards in this video."
EXPLAIN_PROMPT = (
    "Is there an abnormal event or a safety hazard in this video? "
    "Answer yes or no first, then say in one sentence what happens."
)
