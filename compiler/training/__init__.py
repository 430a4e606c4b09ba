from dlc.compiler.training import clipping, metrics, optimizers, regularizers, schedules, stopping  # noqa: F401
