"""Errors that are told to a person in one line. Light to import:
the command line knows them without what raises them."""

from __future__ import annotations


class ArtifactError(Exception):
    """A file that is no artifact, or inputs that it does not take. The message says what to do."""


class DeviceError(Exception):
    """A device that was asked for and cannot be used. The message says what to do."""
