from dlc.compiler.training import clipping, metrics, optimizers, regularizers, schedules, stopping  # noqa: F401
from dlc.compiler.training import losses as losses
