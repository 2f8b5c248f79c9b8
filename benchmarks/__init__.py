"""What n2uqc makes, measured beside its peers in the same run.

    pip install 'n2uqc[bench,train,toolchain]'
    python -m benchmarks.host_resnet18 --help     (from the repository's folder)

    host_resnet18.py    wall time on this machine against ONNX Runtime
    arm_conv.py         executed instructions of one 3x3 convolution against ONNX Runtime and LiteRT
    arm_resnet18.py     the same for ResNet-18
    cortex_m_conv.py    instructions of a convolution on microcontrollers
    compile_time.py     seconds and memory that compiling ResNet-18 takes
    qonnx_execution.py  simulated layers against QONNX's execution

    networks.py         what is measured, as integer programs
    int8.py             the same shapes as 8-bit ONNX and TFLite models, for the peers
    guest.py            an AArch64 Linux with the peers in it, run by qemu
    outcome.py          tables and JSON
"""
