"""Paths of data that are URLs or patterns, and how a URL is shown: without the part that signs in."""

from __future__ import annotations

import re
from functools import lru_cache

URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://([^/?#]*)([^?#]*)(.*)", re.DOTALL)
SECRET = re.compile(r"secret|password|token|signature|credential|key", re.IGNORECASE)  # in names of a query
BEGIN = re.compile(r"[?&#]")  # of a part of a query
REST = re.compile(r'://(?<=[A-Za-z0-9+.-]://)[^\s"]*')  # a URL in a spec, from the end of its scheme on
PATTERN = re.compile(r"[*?[]")
LONGEST = 10_000  # characters of a URL of which single parts are hidden
SHORTEST = 4  # characters of what is hidden in other texts: fewer would hide parts of their words
ANY = "any"  # a scheme
CONTAINERS = ("abfs", "abfss")  # their user is the container, which is part of the address


def is_url(path: object) -> bool:
    """Whether a path is a URL, such as `s3://bucket/rows.csv`."""
    return isinstance(path, str) and URL.match(path) is not None


def is_pattern(path: str) -> bool:
    """Whether a path has `*`, `?` or `[`, and so may stand for several files. The query of a URL does not
    count."""
    found = URL.match(path)
    return PATTERN.search(found[3] if found else path) is not None


def without_secrets(path: str) -> str:
    """A URL without user, password and query; another path as it is."""
    found = URL.match(path)
    if found is None:
        return path
    scheme, authority, place, _ = found.groups()
    user, at, host = authority.rpartition("@")
    kept = user.partition(":")[0] + at if scheme.lower() in CONTAINERS else ""
    return f"{scheme}://{kept}{host}{place}"


@lru_cache(maxsize=4)  # a long line may have many errors
def covered(text: str) -> str:
    """A text whose URLs have `*` in place of each sign of what signs in."""
    return REST.sub(lambda found: _covered_url(f"{ANY}{found[0]}").removeprefix(ANY), text)


def _covered_url(url: str) -> str:
    found = URL.match(url)
    user = found[2].rpartition("@")[0] if found and has_secret(url) else ""
    if len(url) > LONGEST and (user or secrets_of(url)):
        return f"{ANY}://{'*' * (len(url) - len(ANY) - 3)}"
    for secret in [user, *secrets_of(url)]:
        url = url.replace(secret, "*" * len(secret)) if secret else url
    return url


def secrets_of(path: str) -> list[str]:
    """The user, the password, and the values of the query that sign in, of a URL."""
    found = URL.match(path)
    if found is None:
        return []
    user = found[2].rpartition("@")[0]
    values = [value for name, value in _query(found[4]) if SECRET.search(name)]
    return [text for text in (*user.split(":"), *values) if len(text) >= SHORTEST]


def has_secret(path: str) -> bool:
    """Whether a URL has a password, or something like it in its query."""
    found = URL.match(path)
    if found is None:
        return False
    return ":" in found[2].rpartition("@")[0] or any(SECRET.search(name) for name, _ in _query(found[4]))


def _query(text: str) -> list[tuple[str, str]]:
    """The names and values of a query and a fragment."""
    parts = (part.partition("=") for part in BEGIN.split(text))
    return [(name, value) for name, sign, value in parts if sign]
