"""Benchmarks of n2uqc and its peers, measured in the same run.

pip install 'n2uqc[bench,train,toolchain]'
python -m benchmarks.host_resnet18 --help     (from the repository's folder)

host_resnet18.py    wall time on this machine against ONNX Runtime
arm_conv.py         executed instructions of one 3x3 convolution against ONNX Runtime and LiteRT
arm_resnet18.py     the same for ResNet-18
cortex_m_conv.py    the same on microcontrollers, against CMSIS-NN where its sources are given
instructions.py     executed instructions compared with a record, without peers
compile_time.py     seconds and memory to compile ResNet-18
qonnx_execution.py  simulated layers against QONNX's execution

networks.py         the measured integer programs; layers.py the layers of the record
int8.py, tflite.py  the same shapes as 8-bit ONNX and TFLite models, for the peers
guest/              an AArch64 Linux with the peers in it, run by qemu
without_avx512.py   ONNX Runtime without AVX-512
outcome.py          tables and JSON; needs.py what to install
"""
