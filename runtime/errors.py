"""Errors that the command line reports in one line. This module imports nothing, so that the command line can
catch them cheaply."""

from __future__ import annotations


class ArtifactError(Exception):
    """A file that is not an artifact, or invalid inputs for one. The message says what to do."""


class DeviceError(Exception):
    """A requested device cannot be used. The message says what to do."""
