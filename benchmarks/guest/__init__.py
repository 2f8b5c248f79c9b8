"""An AArch64 Linux with the peers, run by qemu on any machine, with instructions counted.

debian.py      Python and its libraries from Debian, packages from PyPI, in a cache folder
processor.py   cores: qemu's model, and the files by which the guest detects its processor
count.py       executed instructions, counted by a plugin of qemu
insns.c        the plugin
worker.py      runs a model in the guest
"""
