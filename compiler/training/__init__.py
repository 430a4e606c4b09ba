from dlc.compiler.training import (  # noqa: F401
    class_losses,
    clipping,
    metrics,
    optimizers,
    pointwise,
    regularizers,
    schedules,
    stopping,
)
