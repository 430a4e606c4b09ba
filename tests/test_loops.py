"""Graphs within nodes: a loop in all engines, printed and verified."""

from __future__ import annotations
