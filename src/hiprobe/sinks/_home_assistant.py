"""The topics of a watcher, and how Home Assistant finds them. Knows no broker.

Format: Home Assistant's MQTT discovery, one retained message per entity below
`homeassistant/COMPONENT/NODE/OBJECT/config`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import hiprobe

DISCOVERY = "homeassistant"
BIRTH = f"{DISCOVERY}/status"
_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")


def topic_part(name: str) -> str:
    """Return a name as one level of a topic: plain letters, and a digest if any were replaced.

    >>> topic_part("yard"), topic_part("Tür 1/2")
    ('yard', 'T_r_1_2-e240b0')
    """
    plain = _PLAIN.sub("_", name)
    return plain if plain == name else f"{plain}-{sha256(name.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Topics:
    """The topics of one camera below `prefix`.

    >>> Topics("hiprobe", "yard").of("score")
    'hiprobe/yard/score'
    """

    prefix: str
    camera: str

    @property
    def node(self) -> str:
        """The camera's name in topics."""
        return topic_part(self.camera)

    def of(self, what: str) -> str:
        """Return the topic of one thing that is told of the camera."""
        return f"{self.prefix}/{self.node}/{what}"

    @property
    def available(self) -> str:
        """The topic that says whether the watcher itself runs."""
        return f"{self.prefix}/available"

    def discovery(self, place: str | None) -> Iterator[tuple[str, str]]:
        """Yield the topic and the payload of each entity of the camera."""
        node = f"{topic_part(self.prefix)}_{self.node}"
        for component, name, entity in self._entities():
            entity |= self._common(node, name, place)
            yield f"{DISCOVERY}/{component}/{node}/{name}/config", json.dumps(entity)

    def _entities(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        alarm, score = self.of("alarm"), self.of("score")
        attributes = {"json_attributes_topic": self.of("alarm/attributes")}
        yield (
            "binary_sensor",
            "alert",
            {"name": "Alert", "state_topic": alarm, "device_class": "problem", **attributes},
        )
        value = {"value_template": "{{ value_json.score }}", "json_attributes_topic": score}
        yield (
            "sensor",
            "score",
            {"name": "Score", "state_topic": score, "state_class": "measurement", **value},
        )
        yield (
            "image",
            "snapshot",
            {
                "name": "Last alert",
                "image_topic": self.of("snapshot"),
                "content_type": "image/jpeg",
            },
        )
        watching, asked = self.of("watching"), self.of("watching/set")
        yield (
            "switch",
            "watching",
            {"name": "Watching", "state_topic": watching, "command_topic": asked},
        )

    def _common(self, node: str, name: str, place: str | None) -> dict[str, Any]:
        device = {
            "identifiers": [node],
            "name": self.camera,
            "manufacturer": "hiprobe",
            "sw_version": hiprobe.__version__,
        }
        # A switch has to work while its camera is offline or paused.
        topics = [self.available] + ([self.of("availability")] if name != "watching" else [])
        return {
            "unique_id": f"{node}_{name}",
            "availability": [{"topic": topic} for topic in topics],
            "availability_mode": "all",
            "qos": 1,
            "device": device | ({"suggested_area": place} if place else {}),
            "origin": {"name": "hiprobe", "sw_version": hiprobe.__version__},
        }
