"""Reading and writing of batches: an array, or one for each input or output of a network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.api.errors import UserError
from n2uqc.frontend.escape import plain

from .files import map_array, open_or_refuse, read_array, read_named, write_array, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from n2uqc.passes.program import Port
    from n2uqc.passes.program.named import Batch


def read_batch(path: Path, ports: Sequence[Port]) -> Batch:
    """Return the arrays of a file for all inputs of a network; those of .npy files are read when
    they are used.

    For one input this is the array of an .npy file, or of an .npz file: the one of the input's
    name, the one named ``x``, or the only one.

    Raises:
        UserError: the file is missing or damaged, has no array for an input or one for none,
            or batches differ.
    """
    from n2uqc.passes.program.named import InputError, by_name

    names = [port.name for port in ports]
    with open_or_refuse(path) as file:
        packed = zipfile.is_zipfile(file)
    if len(names) == 1:
        arrays = read_named(path) if packed else {}
        return arrays[names[0]] if names[0] in arrays else map_array(path)
    wanted = plain(", ".join(map(repr, names)))
    if not packed:
        raise UserError(
            f"{plain(path)}: holds one array; the network has {len(names)} inputs: give an .npz "
            f"file with the arrays {wanted}"
        )
    arrays = read_named(path)
    try:
        return by_name(ports, arrays)
    except InputError as error:
        raise UserError(f"{plain(path)}: {error}") from None


def read_unnamed(path: Path) -> Batch:
    """Return the array of a file as ``read_array`` does, or all of an .npz file by name
    if there are several and none is named ``x``.

    Raises:
        UserError: the file is missing or damaged.
    """
    with open_or_refuse(path) as file:
        packed = zipfile.is_zipfile(file)
    arrays = read_named(path) if packed else {}
    return arrays if len(arrays) > 1 and "x" not in arrays else read_array(path)


def require_outputs_fit(path: Path | None, outputs: Sequence[str]) -> None:
    """Check before a long computation that a file can hold all outputs.

    Raises:
        UserError: there are several, and it is not named .npz.
    """
    if path is not None and len(outputs) > 1 and path.suffix != ".npz":
        names = plain(", ".join(map(repr, outputs)))
        raise UserError(
            f"{plain(path)}: the network has {len(outputs)} outputs, {names}: name an .npz file"
        )


def write_outputs(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write outputs by name as .npz if the file is named so, else the only one as .npy."""
    if path.suffix == ".npz":
        write_arrays(path, arrays)
    else:
        (array,) = arrays.values()
        write_array(path, array)
