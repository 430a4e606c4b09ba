"""`--log mlflow`: a run of MLflow, in the experiment with the name of the spec."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dlc.compiler.urls import without_secrets
from dlc.runtime.files import write
from dlc.runtime.logs.log import EpochLog, unusable, values_of
from dlc.runtime.run_folder import as_json, read_json
from dlc.runtime.written_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.training.history import Epoch, Trained

FILE = "mlflow.json"  # in the run folder: where its run of MLflow is
KNOWN = "seconds"  # a metric that each epoch has
EVERY = 1.0  # seconds between two requests
MAX_VALUE = 500  # characters of a parameter
BATCH = 900  # metrics of a request; MLflow takes 1,000
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
STATUS = {"interrupted": "KILLED", "diverged": "FAILED"}  # others have finished


class MlflowLog(EpochLog):
    """Metrics by epoch, and the params and settings of the spec. MLflow decides where they go:
    `MLFLOW_TRACKING_URI`, and `MLFLOW_EXPERIMENT_NAME` in place of the name of the spec."""

    name, package = "mlflow", "mlflow"

    @classmethod
    def check(cls) -> None:
        """Error E0816 without the package, E0819 if its server does not answer."""
        super().check()
        try:
            with few_retries():
                client().search_experiments(max_results=1)
        except Exception as error:
            raise unusable(cls.name, error) from error

    @property
    def place(self) -> str:
        from mlflow import get_tracking_uri

        return f"run {self._run} at {without_secrets(get_tracking_uri())}"

    def enter(self, program: CompiledProgram, history: Sequence[Epoch]) -> Collection[int]:
        self._client = client()
        self._waiting: list[Any] = []
        self._sent = 0.0
        kept = read_json(self.folder / FILE).get("run_id") if history else None
        if isinstance(kept, str):
            self._run = kept
            self._client.update_run(kept, status="RUNNING")
            return {metric.step for metric in self._client.get_metric_history(kept, KNOWN)}
        self._run = self._new_run(program)
        write(self.folder / FILE, as_json({"run_id": self._run}))
        return ()

    def _new_run(self, program: CompiledProgram) -> str:
        """Create a run with the settings of the program. Returns its id."""
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or program.name
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        tags = {"dlc.run": str(self.folder.absolute()), "dlc.spec": program.source.name}
        run = self._client.create_run(experiment, tags=tags, run_name=self.folder.name).info.run_id
        params = [Param(allowed(k), v[:MAX_VALUE]) for k, v in settings_of(program).items()]
        for begin in range(0, len(params), 100):
            self._client.log_batch(run, params=params[begin : begin + 100])
        return run

    def write(self, epoch: Epoch) -> None:
        self._add_metrics(values_of(epoch), epoch.epoch)
        if time.monotonic() - self._sent >= EVERY:
            self._send()

    def _add_metrics(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(allowed(name), float(value), now, step) for name, value in values.items()]

    def _send(self) -> None:
        with few_retries():
            while self._waiting:
                self._client.log_batch(self._run, metrics=self._waiting[:BATCH])
                del self._waiting[:BATCH]
        self._sent = time.monotonic()

    def close(self, trained: Trained) -> None:
        tests = trained.figures.get("test", {})
        self._add_metrics({f"test.{name}": value for name, value in tests.items()}, trained.kept)
        self._send()
        self._client.set_terminated(self._run, STATUS.get(trained.ended, "FINISHED"))


@contextmanager
def few_retries() -> Iterator[None]:
    """In its context a server that does not answer is asked again for some seconds. By default MLflow asks
    for minutes, in which the training would wait."""
    own = RETRIES not in os.environ
    if own:
        os.environ[RETRIES] = "2"
    try:
        yield
    finally:
        if own:
            del os.environ[RETRIES]


def client() -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient()


def allowed(name: str) -> str:
    """A name with `_` in place of characters that MLflow refuses."""
    return re.sub(r"[^\w\-. /]", "_", name)
