"""HiProbe with a weak penalty: the layer by saliency, logistic regression with C = 1.

Arrays and labels only. Sources: HiProbe-VAD (arXiv 2507.17394), C = 1 from the code of HeadHunt-VAD
(arXiv 2512.17601); that of HiProbe-VAD is not known. `hiprobe` has a stronger penalty where labels
are few.
"""

from __future__ import annotations

from hiprobe.methods._logistic_regression import fit_c1 as fit
from hiprobe.methods._logistic_regression import score
from hiprobe.methods.hiprobe import LABELS, PROMPTS, baseline, select, sites

__all__ = ["LABELS", "PROMPTS", "baseline", "fit", "score", "select", "sites"]
