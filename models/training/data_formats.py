"""The tables [data] and [test] of a recipe, one for each format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Channels = Literal["first", "last", "none"]


@dataclass(frozen=True)
class NpzData:
    """Arrays of an .npz file.

    Attributes:
        path: the file.
        images: name of the array of samples: (N, C, H, W), (N, C, L) or (N, F), any number type.
        labels: name of the array of classes, integers (N,).
        channels: where the channels stand; none: there is no such axis, and one channel.
    """

    path: Path
    images: str = "images"
    labels: str = "labels"
    channels: Channels = "first"


@dataclass(frozen=True)
class FolderData:
    """Images in a folder for each class, whose sorted names are the classes 0, 1, …

    Attributes:
        path: the folder of the folders.
        size: (height, width) to which all are resized; without it all must have one size.
        gray: one channel instead of three.
    """

    path: Path
    size: tuple[int, ...] | None = None
    gray: bool = False


@dataclass(frozen=True)
class IdxData:
    """Two IDX files, as those of MNIST, packed by gzip or not.

    Attributes:
        images: file of the samples; (N, H, W) is one channel.
        labels: file of the classes.
    """

    images: Path
    labels: Path


@dataclass(frozen=True)
class CsvData:
    """A table of one series a row: its class, and its values.

    Attributes:
        path: the file; its first row names the columns.
        label: column of the class, a number or a name.
        shape: (channels, length) of the other columns, channel after channel; without it they are
            features.
    """

    path: Path
    label: str = "label"
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ImportedData:
    """A torch Dataset of pairs: sample without batch axis, class.

    Attributes:
        dataset: import path "package.module:name" of the Dataset, or of what returns one.
        arguments: what that is called with, by name.
    """

    dataset: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


DataSource = NpzData | FolderData | IdxData | CsvData | ImportedData

FORMATS: dict[str, type[DataSource]] = {
    "npz": NpzData,
    "folder": FolderData,
    "idx": IdxData,
    "csv": CsvData,
    "dataset": ImportedData,
}
"""Values of the key `format` of [data] and [test]."""
