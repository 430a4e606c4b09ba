"""All operators. Importing this package defines them."""

import dlc.compiler.operators.activations
import dlc.compiler.operators.convolution
import dlc.compiler.operators.layers
import dlc.compiler.operators.learnt
import dlc.compiler.operators.normalization
import dlc.compiler.operators.pooling
import dlc.compiler.operators.regularization
