"""The model hub: fetch files, upload files, and name what fails. Knows no model and no probe.

Only the hub's own client is used, with its settings: HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and the
login of `hf auth login`.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hiprobe.errors import HiProbeError, StoreError, UsageError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES})
_NAME = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_REFERENCE = re.compile(rf"({_NAME})@(\w[\w.-]*(?:/\w[\w.-]*)*)")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubPlace:
    """A repository of the hub, `org/name`, and a revision of it: a commit, a tag or a branch.

    >>> HubPlace.parse("org/shop-probe@v1")
    HubPlace(name='org/shop-probe', revision='v1')
    >>> HubPlace.parse("probes/shop.safetensors") is None
    True
    """

    name: str
    revision: str

    @classmethod
    def parse(cls, text: str) -> HubPlace | None:
        """Read `org/name@revision`; None for any other text, which is never sent to the hub."""
        found = _REFERENCE.fullmatch(text)
        return None if found is None else cls(found[1], found[2])

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


@dataclass(frozen=True)
class Failures:
    """How failures of the hub are told: the kind of error, and what to give instead of a name.

    >>> Failures(UsageError, "a probe file").local
    'a probe file'
    """

    kind: type[HiProbeError]
    local: str

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Turn what the hub's client raises about the repository `name` into an error of `kind`."""
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )

        try:
            yield
        except HFValidationError as error:
            cure = f"give org/name or {self.local}"
            raise self.kind("is not a hub id", where=name, cure=cure) from error
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise self._told(name, error) from error

    def _told(self, name: str, error: Exception) -> HiProbeError:
        from huggingface_hub import constants
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        reason = f"cannot be fetched from the hub ({type(error).__name__})"
        cure = f"go online, or give {self.local}"
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            reason = f"cannot be written to {constants.HF_HUB_CACHE}: {error.strerror}"
            cure = "free space there, or set HF_HOME to another disk; what was fetched is kept"
        elif isinstance(error, GatedRepoError):
            reason = "access is gated"
            cure = "accept its licence on the hub and run `hf auth login`"
        elif isinstance(error, RevisionNotFoundError):
            reason, cure = "has no such revision", "give a branch, tag or commit that exists"
        elif isinstance(error, RepositoryNotFoundError):
            reason, cure = "is not on the hub, or is private", "check the name, or log in"
        elif isinstance(error, EntryNotFoundError) and not isinstance(
            error, LocalEntryNotFoundError
        ):
            reason, cure = "does not have this file", "check the name and the revision"
        return self.kind(reason, where=name, cure=cure)


def fetch_file(place: HubPlace, file: str, most: int, failures: Failures) -> tuple[Path, HubPlace]:
    """Fetch one file of at most `most` bytes, into the cache of the hub's client.

    Returns where it is, and the place with the commit as its revision. Nothing is asked of the hub
    for a commit that is in the cache. Raises an error of the kind of `failures`, also for a larger
    file, of which nothing is fetched.
    """
    from huggingface_hub import hf_hub_download

    with failures.named(str(place)):
        seen = hf_hub_download(place.name, file, revision=place.revision, dry_run=True)
        if seen.file_size is None or seen.file_size > most:
            size = "unknown" if seen.file_size is None else f"{seen.file_size:,}"
            raise failures.kind(f"{file} has {size} bytes, more than {most:,}", where=str(place))
        path = hf_hub_download(place.name, file, revision=seen.commit_hash)
    return Path(path), HubPlace(place.name, seen.commit_hash)


def upload_files(name: str, files: Mapping[str, bytes], message: str, *, public: bool) -> HubPlace:
    """Upload `files`, by name, in one commit to the repository `name`, which is made if needed.

    A new repository is private unless `public`. Returns the place with its commit. Raises
    UsageError if the repository is public and `public` is False, so that nothing is published by
    mistake, and if nobody is logged in who may write there; StoreError if the hub cannot be reached
    or fails.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, errors

    api = HfApi()
    try:
        api.create_repo(name, private=not public, exist_ok=True)
        if not public and not api.model_info(name).private:
            raise UsageError(
                "the repository is public", where=name, cure="say that it may be: --public"
            )
        # Bytes, not paths: the client gets no name of a file on this machine.
        adds = [CommitOperationAdd(path, data) for path, data in files.items()]
        made = api.create_commit(name, adds, commit_message=message)
    except errors.HFValidationError as error:
        raise UsageError("is not a hub id", where=name, cure="give org/name") from error
    # HTTPError is that of the HTTP library which the client uses, for example of a lost connection.
    except (errors.HTTPError, OSError, ValueError, RuntimeError) as error:  # type: ignore[attr-defined]
        raise _refused(name, error) from error
    return HubPlace(name, made.oid)


def _refused(name: str, error: Exception) -> HiProbeError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        reason = "the hub does not let you write there"
        return UsageError(
            reason, where=name, cure="run `hf auth login` with a token that may write"
        )
    said = f"HTTP {status}" if status else type(error).__name__
    return StoreError(f"cannot be uploaded ({said})", where=name, cure="try again later")
