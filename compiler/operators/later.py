"""Operators of the language that are not built yet: using one is an error that says so."""

LATER = (
    "embedding", "position_embedding", "sinusoidal_position", "rnn", "lstm", "gru", "attention",
    "groupnorm", "instancenorm", "local_response_norm", "rmsnorm",
    "adaptive_avgpool", "upsample", "resize", "pixel_shuffle", "crop", "last", "shift", "topk", "gather",
    "gradient", "jacobian", "one_hot",
    "random_flip", "random_crop", "random_rotate", "random_erase",
    "color_jitter", "mixup", "bernoulli", "sample_normal",
    "minmax", "impute", "vocabulary", "bucketize", "tokenize",
    "focal", "hinge", "kl_normal", "kl_divergence", "cosine", "contrastive", "triplet", "ctc", "poisson",
)  # fmt: skip
