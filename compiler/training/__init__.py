from dlc.compiler.training import (  # noqa: F401
    adam,
    beginning,
    class_losses,
    clipping,
    lbfgs,
    metrics,
    muon,
    optimizers,
    pointwise,
    regularizers,
    schedules,
    stopping,
)
