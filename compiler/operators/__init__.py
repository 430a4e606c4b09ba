"""All operators. Importing this package defines them."""

from dlc.compiler.operators import activations as activations
from dlc.compiler.operators import answers as answers
from dlc.compiler.operators import arithmetic as arithmetic
from dlc.compiler.operators import augmentation as augmentation
from dlc.compiler.operators import axis_activations as axis_activations
from dlc.compiler.operators import bucketize as bucketize
from dlc.compiler.operators import classes as classes
from dlc.compiler.operators import combinators as combinators
from dlc.compiler.operators import comparisons as comparisons
from dlc.compiler.operators import convolution as convolution
from dlc.compiler.operators import geometry as geometry
from dlc.compiler.operators import impute as impute
from dlc.compiler.operators import indexing as indexing
from dlc.compiler.operators import joining as joining
from dlc.compiler.operators import layers as layers
from dlc.compiler.operators import learnt as learnt
from dlc.compiler.operators import mathematics as mathematics
from dlc.compiler.operators import matmul as matmul
from dlc.compiler.operators import mixing as mixing
from dlc.compiler.operators import normalization as normalization
from dlc.compiler.operators import pooling as pooling
from dlc.compiler.operators import reductions as reductions
from dlc.compiler.operators import regularization as regularization
from dlc.compiler.operators import resampling as resampling
from dlc.compiler.operators import shape as shape
from dlc.compiler.operators import space_normalization as space_normalization
