"""Project points in the world to a picture, with the distortion of a wide lens.

Positions in the picture are fractions of its width and height; (0, 0) is the top left corner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Camera:
    """A camera that stands still.

    `eye` (3,) in metres; `axes` (3, 3) are its right, down and forward directions; `focal` (2,) is
    the focal length over the width and height of the picture; `bend` is the radial distortion k1
    (negative: barrel).
    """

    eye: Array
    axes: Array
    focal: Array
    bend: float = 0.0

    def project(self, points: Array) -> tuple[Array, Array]:
        """Return positions (..., 2) in the picture and depths (...,) along the axis of points.

        Points behind the camera have a depth that is not positive; their position means nothing.
        """
        local = (np.asarray(points, float) - self.eye) @ self.axes.T
        depth = local[..., 2]
        flat = local[..., :2] / np.maximum(depth, 1e-3)[..., None]
        r2 = np.minimum((flat**2).sum(-1), _limit(self.bend))
        flat = flat * (1 + self.bend * r2)[..., None]
        return flat * self.focal + 0.5, depth

    def rays(self, height: int, width: int) -> Array:
        """Return the directions (height, width, 3) in the world of the pixels; not normalised."""
        v, u = np.meshgrid(
            (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
        )
        x, y = ((u - 0.5) / self.focal[0], (v - 0.5) / self.focal[1])
        factor: Array = np.ones_like(x)
        for _ in range(6):
            r2 = np.minimum((x * x + y * y) * factor**2, _limit(self.bend))
            factor = 1 / (1 + self.bend * r2)
        flat = np.stack([x * factor, y * factor], -1)
        return np.asarray(flat @ self.axes[:2] + self.axes[2])


def _limit(bend: float) -> float:
    """Return the largest squared radius at which the distortion is still one to one."""
    return 1e9 if bend >= 0 else 0.99 / (-3 * bend)


def look_at(
    eye: Any, target: Any, field_deg: float, aspect: float, *, bend: float = 0.0, roll: float = 0.0
) -> Camera:
    """Make a camera at `eye` that looks at `target`.

    `field_deg` is the horizontal field of view without distortion, `aspect` width over height,
    `roll` the turn about the axis in radians.
    """
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    norm = np.linalg.norm(right)
    right = right / norm if norm > 1e-6 else np.array([1.0, 0.0, 0.0])
    down = np.cross(ahead, right)
    c, s = np.cos(roll), np.sin(roll)
    fx = 0.5 / np.tan(np.radians(field_deg) / 2)
    axes = np.stack([c * right + s * down, c * down - s * right, ahead])
    return Camera(eye, axes, np.array([fx, fx * aspect]), bend)
