"""Images, options and places that do not fit: one clear error, exit status 2, nothing written."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from n2uqc.console.files import UserError, read_array

from .conftest import Command


def _file(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


BAD_IMAGES = {
    "shape": (np.zeros((2, 1, 9, 8), np.float32), "shape (2, 1, 9, 8)"),
    "no batch axis": (np.zeros((1, 8, 8), np.float32), "shape (1, 8, 8)"),
    "integers": (np.zeros((2, 1, 8, 8), np.uint8), "dtype uint8"),
    "complex": (np.zeros((2, 1, 8, 8), np.complex64), "dtype complex64"),
    "nan": (np.full((2, 1, 8, 8), np.nan, np.float32), "not finite"),
    "infinite": (np.full((2, 1, 8, 8), np.inf), "not finite"),
}


@pytest.mark.parametrize("fault", BAD_IMAGES)
def test_images_that_do_not_fit(
    fault: str, command: Command, program_file: Path, tmp_path: Path
) -> None:
    array, mention = BAD_IMAGES[fault]
    x, y = _file(tmp_path / "x.npy", array), tmp_path / "y.npy"
    result = command("simulate", program_file, "--input", x, "--output", y)
    assert result.status == 2
    assert mention in result.err
    assert result.err.count("\n") == 1
    assert not y.exists()


def _pickled(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _two_arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(1), b=np.zeros(1))


def _cut(path: Path) -> None:
    np.save(path, np.zeros((4, 1, 8, 8), np.float32))
    path.write_bytes(path.read_bytes()[:300])


def _damaged_zip(method: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as archive, archive.open("x.npy", "w") as file:
            np.save(file, np.zeros((4, 1, 8, 8), np.float32))
        content = bytearray(path.read_bytes())
        content[55:70] = b"\xff" * 15  # within the compressed data
        path.write_bytes(content)

    return write


def _long_header(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY\x01\x00" + (9_000).to_bytes(2, "little") + b"9" * 8_999 + b"\n")


METHODS = {name: getattr(zipfile, f"ZIP_{name.upper()}") for name in ("deflated", "bzip2", "lzma")}

BAD_FILES = {
    **{f"damaged {name}": _damaged_zip(method) for name, method in METHODS.items()},
    "long header": _long_header,
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "text": lambda path: path.write_text("1 2 3"),
    "empty": lambda path: path.write_bytes(b""),
    "pickle": _pickled,
    "several arrays": _two_arrays,
    "cut off": _cut,
    "cut off zip": lambda path: path.write_bytes(b"PK\x03\x04 and no more"),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_input_files_that_cannot_be_read(
    fault: str, command: Command, program_file: Path, tmp_path: Path
) -> None:
    x, y = tmp_path / "x.npy", tmp_path / "y.npy"
    BAD_FILES[fault](x)
    result = command("simulate", program_file, "--input", x, "--output", y)
    assert result.status == 2, result.err
    assert "x.npy" in result.err
    assert result.err.count("\n") == 1 and len(result.err) < 500
    assert not y.exists()


def test_a_named_array_among_several_is_taken(
    command: Command, program_file: Path, images: np.ndarray, tmp_path: Path
) -> None:
    np.savez(tmp_path / "x.npz", x=images, labels=np.zeros(5))
    result = command("simulate", program_file, "--input", tmp_path / "x.npz")
    assert result.status == 0, result.err


@pytest.mark.parametrize("place", ["missing/y.npy", "file/y.npy", "folder"])
def test_outputs_that_cannot_be_written(
    place: str, command: Command, program_file: Path, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    result = command("simulate", program_file, "--input", samples, "--output", tmp_path / place)
    assert result.status == 2
    assert "cannot write" in result.err
    assert sorted(tmp_path.rglob("*")) == before


SAMPLES = "<the file of images>"
BAD_OPTIONS = [
    (("--stem-bits", "99"), "99"),
    (("--residual-bits", "7"), "7"),
    (("--head-bits", "many"), "many"),
    (("--precision", "perfect"), "perfect"),
    (("--input-range", "1"), "two numbers"),
    (("--input-range=2,1",), "2.0,1.0"),
    (("--input-range=0,inf",), "inf"),
    (("--input-range", "a,b"), "a,b"),
    (("--calib", "nowhere.npz"), "nowhere.npz"),
    (("--margin", "2"), "--calib"),
    (("--calib", SAMPLES, "--margin", "0"), "1..1000"),
    (("--calib", SAMPLES, "--margin", "nan"), "1..1000"),
    (("--input-range", "-a"), "'-a'"),
    (("--input-range", "-1,-2"), "-1.0,-2.0"),
    (("--pixels", "0"), "scale"),
    (("--pixels", "1/0"), "1/0"),
    (("--mean", "0.5"), "--pixels"),
    (("--pixels", "1/16", "--input-range", "0,1"), "--input-range"),
    (("--pixels", "1/16", "--mean", "1,2,3"), "--mean has 3 values"),
]


@pytest.mark.parametrize(("arguments", "mention"), BAD_OPTIONS)
def test_options_out_of_range(
    arguments: tuple[str, ...],
    mention: str,
    command: Command,
    model: Path,
    samples: Path,
    tmp_path: Path,
) -> None:
    y = tmp_path / "y.npy"
    given = [str(samples) if argument is SAMPLES else argument for argument in arguments]
    result = command("simulate", model, "--input", samples, "--output", y, *given)
    assert result.status == 2
    assert mention in result.err
    assert not y.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--quiet",),
        ("frobnicate",),
        ("compile",),
        ("simulate", "a.onnx"),
        ("compile", "a.onnx", "-o", "b"),
    ],
)
def test_command_lines_that_say_too_little(arguments: tuple[str, ...], command: Command) -> None:
    result = command(*arguments)
    assert result.status == 2
    assert "--help` explains" in result.err


def test_values_outside_the_input_range_are_announced(
    command: Command, program_file: Path, tmp_path: Path
) -> None:
    x = _file(tmp_path / "x.npy", np.full((1, 1, 8, 8), 100.0))
    result = command("simulate", program_file, "--input", x)
    assert result.status == 0
    assert result.err.startswith("n2uqc: warning: 64 of 64 input values lie outside")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("compile", "MODEL", "--target", "program", "-o", "MODEL"),
        ("simulate", "MODEL", "--input", "X", "-o", "X"),
        ("simulate", "MODEL", "--input", "X", "--dump", "folder/../MODEL"),
        ("simulate", "MODEL", "--input", "X", "-o", "y.npy", "--dump", "y.npy"),
        ("verify", "MODEL", "--calib", "X", "-o", "X"),
        ("cost", "MODEL", "--html", "MODEL"),
    ],
)
def test_no_command_writes_over_what_it_reads(
    arguments: tuple[str, ...],
    command: Command,
    model: Path,
    samples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "net.onnx").write_bytes(model.read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    monkeypatch.chdir(tmp_path)
    names = {"MODEL": "net.onnx", "X": samples.name}
    result = command(
        *(a.replace("MODEL", "net.onnx") if "/" in a else names.get(a, a) for a in arguments)
    )
    assert result.status == 2
    assert "name another file" in result.err
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_numbers_with_a_sign_need_no_equals_sign(
    command: Command, model: Path, samples: Path
) -> None:
    for value in ("-1.5,20", "-1,20"):
        assert command("simulate", model, "--input", samples, "--input-range", value).status == 0


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("AArch64", "did you mean aarch64"),
        ("cortex-a79", "cortex-a78"),
        ("zzz", "there is no target"),
    ],
)
def test_unknown_targets_name_the_nearest(
    target: str, hint: str, command: Command, model: Path, tmp_path: Path
) -> None:
    result = command("compile", model, "--target", target, "-o", tmp_path / "out")
    assert result.status == 2
    assert hint in result.err.splitlines()[0]
    assert "neoverse-n1" in result.err


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_damaged_arrays(name: str, tmp_path: Path) -> None:
    """An array, or one error: whatever the bytes are, and however large they say it is."""
    from n2uqc.console.files import UserError, read_array

    path, outcomes = tmp_path / name, {True: 0, False: 0}
    array = np.arange(144, dtype=np.float32).reshape(2, 2, 6, 6)
    np.save(path, array) if name == "x.npy" else np.savez_compressed(path, x=array)
    good = path.read_bytes()
    for seed in range(600):
        rng = np.random.default_rng(seed)
        damaged = bytearray(good)
        for _ in range(rng.integers(1, 5)):
            place = rng.integers(0, len(good) if rng.random() < 0.3 else 128)
            damaged[place] = rng.choice([rng.integers(0, 256), damaged[place] ^ 1, *b"09([,'"])
        path.write_bytes(damaged[: rng.integers(0, len(good))] if seed % 5 == 0 else damaged)
        try:
            read_array(path)
        except UserError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert min(outcomes.values()) > 20, outcomes


def test_an_array_of_a_terabyte(tmp_path: Path) -> None:
    from n2uqc.console.files import UserError, read_array

    np.save(tmp_path / "x.npy", np.zeros((2, 3), np.float32))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(
        content.replace(b"(2, 3), }          ", b"(999999999, 1), }  ")
    )
    with pytest.raises(UserError, match="cut off: 152 bytes for an array"):
        read_array(tmp_path / "x.npy")


def test_arrays_are_found_by_their_own_names(tmp_path: Path) -> None:
    """NumPy gives `a` to who asks for `a.npy`."""
    from n2uqc.console.files import UserError, read_array, read_named

    path = tmp_path / "x.npz"
    np.savez(path, **{"a": np.zeros(2), "a.npy": np.ones(3)})
    found = read_named(path)
    assert (found["a"] == np.zeros(2)).all() and (found["a.npy"] == np.ones(3)).all()
    for member, message in (("b", "holds b, which is no array"), ("a.npy", "two arrays named a")):
        np.savez(path, a=np.zeros(2))
        with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive.writestr(member, zipfile.ZipFile(path).read("a.npy"))
        for read in (read_named, read_array):
            with pytest.raises(UserError, match=message):
                read(path)


def test_an_axis_beside_an_empty_one(tmp_path: Path) -> None:
    """The array has no element, and NumPy multiplies its sizes all the same."""
    from n2uqc.console.files import UserError, map_array, read_array

    np.save(tmp_path / "x.npy", np.zeros((0, 5, 7), np.float32))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(
        content.replace(b"(0, 5, 7), }" + 20 * b" ", b"(0, 7, 9223372036854775808), }  ")
    )
    for read in (read_array, map_array):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserError, match="damaged: an array"):
                read(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("text", "value"), [("1/255", 1 / 255), ("1e30000000", None), ("1/0", None), ("0.5", 0.5)]
)
def test_numbers_of_the_command_line(text: str, value: float | None, command: Command) -> None:
    """Numbers with any exponent are read at once; infinite ones are refused where they are used."""
    from n2uqc.console.input_options import _number

    if value is not None:
        assert _number(text) == value
    else:
        assert (
            command("compile", "a.onnx", "-t", "program", "-o", "b", "--pixels", text).status == 2
        )


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_of_four_gigabytes(packed: bool, tmp_path: Path) -> None:
    content = b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b"{}"
    path = tmp_path / "x.npy"
    if packed:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="a header of 4,294,967,295 bytes"):
        read_array(path)
