"""Files at URLs, through the file systems of pyarrow. What signs in is in the URL or in the environment, and
is never shown."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dlc.compiler import reading
from dlc.compiler.urls import URL, secrets_of, without_secrets
from dlc.runtime.data.locations.location import NO_PARTITION, Location
from dlc.runtime.data.locations.spool import Spool, SpoolFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BUFFER = 1 << 23  # bytes of a request
RETRY = "retry_limit_seconds=10"  # of Google's client, which else tries for 15 minutes
PAGES = ("http", "https", "ftp")
REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|UNAUTHORIZED|"
    r"InvalidAccessKeyId|Forbidden|PERMISSION_DENIED|credentials",
    re.IGNORECASE,
)
ABSENT = re.compile(r"NO_SUCH_BUCKET|NO_SUCH_KEY|RESOURCE_NOT_FOUND|NOT_FOUND", re.IGNORECASE)
UNREACHED = re.compile(r"NETWORK_CONNECTION|curl|connect|resolve|timed? ?out", re.IGNORECASE)


class RemoteFile(Location):
    """A file at a URL; `key` is its path in the file system."""

    is_remote = True

    def __init__(self, store: RemoteStore, key: str, name: str,
                 partition: Mapping[str, str | None] = NO_PARTITION, info: Any = None) -> None:  # fmt: skip
        self.name, self.partition = name, partition
        self._store, self._key, self._info = store, key, info
        self._spool: Spool | None = None

    def size(self) -> int:
        return int(self._described().size)

    def open(self) -> Any:
        """A part that is read is fetched once."""
        return SpoolFile(self._spooled())

    def native(self) -> Any:
        import pyarrow as pa

        return pa.PythonFile(self.open(), mode="r")

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._spooled().prefetch(ranges)

    def _spooled(self) -> Spool:
        if self._spool is None:
            size = self.size()
            with self._store.errors():
                file = self._store.system.open_input_file(self._key)

            def fetch(start: int, number: int) -> bytes:
                with self._store.errors():
                    return file.read_at(number, start)

            self._spool = Spool(size, fetch)
        return self._spool

    def stream(self) -> Any:
        with self._store.errors():
            return self._store.system.open_input_stream(self._key, compression=None, buffer_size=BUFFER)

    def identity(self) -> tuple[str, ...]:
        found = self._described()
        return self.name, str(found.size), str(found.mtime_ns)

    def _described(self) -> Any:
        if self._info is None:
            with self._store.errors():
                [self._info] = self._store.system.get_file_info([self._key])
        if not self._info.is_file:
            raise FileNotFoundError(2, "no such file", self.name)
        return self._info


class RemoteStore:
    """A file system that a URL names, and the part of its path that stands for the bucket."""

    def __init__(self, url: str) -> None:
        from pyarrow import fs

        self._url = url
        scheme, authority, path, query = URL.match(url).groups()  # type: ignore[union-attr]
        if scheme.lower() in PAGES:
            raise reading.Unreadable(22, "is not opened: download the file, and name it", url)
        if scheme.lower() in ("gs", "gcs") and "retry_limit_seconds" not in query:
            query = f"{query}&{RETRY}" if query else f"?{RETRY}"
        with self.errors():
            self.system, base = fs.FileSystem.from_uri(f"{scheme}://{authority}{query}")
        self.base, self.path = base.strip("/"), unquote(path).strip("/")
        self.shown = without_secrets(f"{scheme}://{authority}")

    @contextmanager
    def errors(self) -> Iterator[None]:
        """A block whose errors are OSErrors that say what is wrong, and nothing of what signs in."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise remote_error(error, self._url) from None


def remote_error(error: Exception, url: str) -> OSError:
    """The error of a file system of pyarrow in plain words."""
    name, text = without_secrets(url), shown_error(error, url)
    if isinstance(error, FileNotFoundError) or ABSENT.search(text):
        return FileNotFoundError(2, "no such file or bucket", name)
    if isinstance(error, PermissionError) or REFUSED.search(text):
        return PermissionError(13, "no access: the environment names who signs in, such as AWS_ACCESS_KEY_ID "
                               "and AWS_SECRET_ACCESS_KEY", name)  # fmt: skip
    if UNREACHED.search(text):
        return ConnectionError(111, f"its server does not answer: {text}", name)
    return OSError(5, text, name)


def shown_error(error: Exception, url: str) -> str:
    """The message of an error in one line, without what signs in."""
    text = re.sub(r"\s*\(Request ID: [^)]*\)", "", " ".join(str(error).split()))
    for secret in secrets_of(url):
        text = text.replace(secret, "***").replace(unquote(secret), "***")
    return text


def is_of_network(error: Exception) -> bool:
    """Whether an error is one of the way to a file, and not of its content."""
    text = str(error)
    return any(pattern.search(text) for pattern in (REFUSED, ABSENT, UNREACHED)) or "AWS Error" in text
