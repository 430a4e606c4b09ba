"""Graphs within nodes: a loop in all engines, printed and verified."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from operators.engines import models

from dlc.compiler import Source, compile
from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
from dlc.compiler.lower import torch as to_torch
from dlc.compiler.operators.loop import CONTINUES, ITERATION, Loop
from dlc.compiler.format.printer import print_graph
from dlc.compiler.passes.verify import Illegal, verify
