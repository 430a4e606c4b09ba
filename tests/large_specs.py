"""The specs of published networks that are so large that what is proved about every spec is slow for them."""

LARGE_SPECS = (
    "vgg11",
    "vgg16",
    "googlenet",
    "regnet_y_400mf",
    "resnext50",
    "efficientnet_b0",
    "vit",
    "swin",
    "checkpoints/bert",
    "checkpoints/resnet50",
    "checkpoints/vit",
    "t5_encoder",
)
