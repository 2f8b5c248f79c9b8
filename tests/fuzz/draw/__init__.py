"""Random networks in standard ONNX operators, as exporters write them.

graph_builder.py  a graph that grows node by node
layers.py         convolutions, quantizers, affine maps, clips, pools
functions.py      curved functions, as operators and as compositions of them
pairs.py          what is computed from two tensors, and means over axes
movements.py      operators that only move elements, and tokens
resizing.py       transposed convolution, Resize
integers.py       operators on integer codes
heads.py          flattened maps, matrices, and what ends a network
network.py        whole networks of these
"""
