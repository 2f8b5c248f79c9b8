"""An AArch64 Linux with the peers in it, run by qemu on any machine, its instructions counted.

debian.py      Python and its libraries from Debian, packages from PyPI, in a cache folder
processor.py   cores: what qemu emulates and what the guest reads about itself
count.py       executed instructions, by a plugin of qemu
insns.c        the plugin
worker.py      runs a model in the guest
"""
