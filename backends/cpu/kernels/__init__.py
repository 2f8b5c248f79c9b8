"""Kernels: how one group of operations is computed.

    body.py         what a kernel is written with: operands, per-channel rows, values with ranges
    offer.py        what a kernel offers for a group; the cheapest of several
    layer.py        a convolution with its types and weights
    convolution.py  the template of convolution kernels: choice, offer, and the way to build
    by_products.py  the template of those that are matrix products over blocks of the map
    epilogue.py     what follows a convolution's sums in its group
    window.py       padded copies of maps
    tiling.py       how much of a map registers hold

Convolutions, each a file with its plans:

    winograd.py     3x3 of stride 1 by transformed codes
    matrix.py       windows as rows of a matrix
    gemm/           the matrix products of both
    polynomial.py   several codes in a word, for processors without vectors
                    (polynomial_fields.py: which sums fit, polynomial_sum.py: the inner loop)
    fixed_point.py  16 and 32 bits (taps.py: chunks of a window, wrapping.py: wide sums)
    limbs.py        16 bits as products of bytes
    direct.py       tap by tap: depthwise, and whatever no other kernel computes

Other operations:

    elementwise.py  all elementwise operations, in registers
                    (thresholds.py, requantize.py, rounding.py)
    pointwise.py    elementwise operations on tensors in memory
    pool.py, join.py
"""
