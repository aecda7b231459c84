"""A probe on the hub: the two files of its repository, upload and download. Knows no models."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hiprobe.errors import ProbeError, UsageError
from hiprobe.hub import Failures, HubPlace, fetch_file, upload_files
from hiprobe.probe.card import FILE, card
from hiprobe.probe.file import MAX_BYTES, Probe
from hiprobe.probe.sharing import shareable

CARD = "README.md"
MESSAGE = "Add a HiProbe probe and its card"
FAILURES = Failures(ProbeError, "a probe file")


@dataclass(frozen=True)
class Publication:
    """What to write on the card of a probe, and what may be seen.

    `licence` is an identifier of the hub such as `apache-2.0`, `about` a text on the data. With
    `digests` the digests of the videos are published, and `public` lets everybody read it.

    >>> Publication(licence="apache-2.0").public
    False
    """

    licence: str | None = None
    about: str | None = None
    public: bool = False
    digests: bool = False


def files_to_share(
    probe: Probe, name: str, publication: Publication
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return the files of the repository `name`, byte for byte, and the fields that were left out.

    Raises ProbeError if a text that would leave holds a path.

    >>> from hiprobe import embedded
    >>> probe = Probe.load(embedded.PROBE)
    >>> files, left_out = files_to_share(probe, "org/clips", Publication("apache-2.0"))
    >>> sorted(files), left_out
    (['README.md', 'probe.safetensors'], ('videos',))
    """
    found = shareable(probe, digests=publication.digests)
    text = card(found.probe, name, publication.licence, publication.about)
    return {FILE: found.probe.to_bytes(), CARD: text.encode()}, found.left_out


def publish(probe: Probe, name: str, publication: Publication) -> HubPlace:
    """Upload the files of `files_to_share` in one commit, and return where they are.

    Raises what `files_to_share` and `hub.upload_files` raise.
    """
    files, _ = files_to_share(probe, name, publication)
    return upload_files(name, files, MESSAGE, public=publication.public)


def fetch_probe(reference: str, method: str | None = None) -> Probe:
    """Fetch the probe at `org/name@revision`; its `source` names the commit.

    The file is a stranger's and is checked as `Probe.load` checks any file; nothing else of the
    repository is fetched. Raises UsageError for another form, ProbeError for what cannot be fetched
    or is not valid.
    """
    place = HubPlace.parse(reference)
    if place is None:
        raise UsageError(
            "not a probe of the hub", where=reference, cure="give org/name@revision, or a file"
        )
    path, pinned = fetch_file(place, FILE, MAX_BYTES, FAILURES)
    try:
        probe = Probe.load(path, method=method)
    except ProbeError as error:  # the file is in a cache: name where it came from
        raise type(error)(error.reason, where=str(pinned), cure=error.cure) from error
    return replace(probe, source=str(pinned))
