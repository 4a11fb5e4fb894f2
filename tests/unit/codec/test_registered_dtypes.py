"""Arrays of dtypes that other packages register with NumPy, above all those of ml_dtypes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any, Final

import numpy as np
import pytest

from mandala_cas.codec.array_data import data_of
from mandala_cas.codec.arrays import ArrayCodec
from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.encoder import Data
from mandala_cas.codec.registered_dtypes import registered_data
from mandala_cas.codec.registry import default_registry
from mandala_cas.errors import UnsupportedFormatError, UsageError

Array = np.ndarray[Any, Any]
REGISTRY: Final = default_registry()


@pytest.fixture
def ml_dtypes() -> Any:
    """Return the package, where it is installed: nothing needs it."""
    return pytest.importorskip("ml_dtypes")


def dtypes_of(package: Any) -> list[np.dtype[Any]]:
    """Return every dtype that a package registered."""
    found = [part for part in vars(package).values() if isinstance(part, type)]
    return [np.dtype(part) for part in found if issubclass(part, np.generic)]


def bytes_of(array: Array) -> bytes:
    """Return the bytes of an array: what two arrays must share to be the same."""
    return array.tobytes()


def travelled(value: Any) -> tuple[Any, str]:
    """Return what comes back of a value, and the codec that brought it."""
    encoded = REGISTRY.encode(value, Digests())
    payload = memoryview(bytearray(b"".join(encoded.payload)))
    name = encoded.codec_name
    return REGISTRY.decode(name, encoded.codec_version, encoded.header, payload), name


def test_every_dtype_has_an_id_of_its_own(ml_dtypes: Any) -> None:
    """`dtype.str` is the same for all of one width, and that of plain bytes."""
    dtypes = dtypes_of(ml_dtypes)
    plain = [np.dtype(f"V{size}") for size in (1, 2, 4)]
    plain += [np.dtype(name) for name in ("u1", "i1", "<u2", "<f2", "<u4")]

    ids = {content_id(np.zeros(3, dtype)) for dtype in [*dtypes, *plain]}
    empty = {content_id(np.zeros(0, dtype)) for dtype in [*dtypes, *plain]}
    alone = {content_id(dtype) for dtype in [*dtypes, *plain]}
    scalars = {content_id(np.zeros((), dtype)[()]) for dtype in dtypes}
    fields = {content_id(np.zeros(3, [("a", dtype)])) for dtype in [*dtypes, *plain]}

    assert len(dtypes) > 10
    assert len(ids) == len(empty) == len(alone) == len(fields) == len(dtypes) + len(plain)
    assert len(scalars) == len(dtypes)


def test_each_element_counts_and_the_layout_does_not(ml_dtypes: Any) -> None:
    """As for any other array."""
    for dtype in dtypes_of(ml_dtypes):
        array = np.array([[0, 1, 0], [1, 1, 0]], np.uint8).astype(dtype)
        changed = array.copy()
        changed[1, 2] = 1
        wide = np.zeros((2, 6), dtype)
        wide[:, ::2] = array

        assert content_id(wide[:, ::2]) == content_id(np.asfortranarray(array)) == content_id(array)
        assert content_id(changed) != content_id(array)
        assert content_id(array.T) != content_id(array)
        assert content_id(array[0, 1]) == content_id(changed[0, 1]) != content_id(array[0, 0])


def test_nans_are_one(ml_dtypes: Any) -> None:
    """With any sign and payload, as in the dtypes of NumPy: they come of the same computation."""
    for name, bits, nans in (
        ("bfloat16", "u2", [0x7FC0, 0x7F81, 0xFFC0, 0xFFFF]),
        ("float8_e5m2", "u1", [0x7E, 0x7D, 0xFF]),
        ("float8_e4m3fn", "u1", [0x7F, 0xFF]),
    ):
        arrays = [np.array([0, nan], bits).view(getattr(ml_dtypes, name)) for nan in nans]
        assert len({content_id(array) for array in arrays}) == 1, name
        assert len({content_id(array[1]) for array in arrays}) == 1, name
        infinity = np.array([0, nans[-1]], bits).view(getattr(ml_dtypes, name))
        infinity[1] = infinity[0]
        assert content_id(infinity) != content_id(arrays[0])


def test_parts_of_complex_numbers_that_are_nans_are_one(ml_dtypes: Any) -> None:
    """Each part by itself, by the rule of the numbers that it is."""
    for name, quiet, other in (("complex32", 0x7E00, 0xFE01), ("bcomplex32", 0x7FC0, 0xFF81)):
        kind = getattr(ml_dtypes, name, None)
        if kind is None:
            pytest.skip("this version of ml_dtypes has no complex numbers")
        one, same, less = (
            np.array([part, 0x3C00], "u2").view(kind) for part in (quiet, other, 0x3C00)
        )

        assert content_id(one) == content_id(same) != content_id(less)


def test_bits_that_no_number_uses_do_not_count(ml_dtypes: Any) -> None:
    """Elements of less than a byte take a byte, and are equal whatever its other bits are."""
    for dtype in dtypes_of(ml_dtypes):
        every = np.arange(256, dtype=np.uint8)
        if dtype.itemsize > 1:
            continue
        array = every.view(dtype)
        for number in (1, 0x0F, 0x3F):
            same = [array[place] for place in np.flatnonzero(array == array[number])]
            # The two zeros are equal, and differ.
            if float(array[number]) != 0:
                assert len({content_id(element) for element in same}) == 1, dtype


def test_ids_of_tensors_and_of_arrays_agree_on_the_bits(ml_dtypes: Any) -> None:
    """What a colleague computes from the page of one holds for the other."""
    found = np.array([1.5, -0.0, np.nan], ml_dtypes.bfloat16)

    expected = np.array([0x3FC0, 0x8000, 0x7FC0], "<u2")

    one, other = registered_data(found), data_of(expected)
    assert isinstance(one, Data)
    assert isinstance(other, Data)
    assert bytes(one.buffer) == bytes(other.buffer)


def test_arrays_come_back_to_the_bit(ml_dtypes: Any) -> None:
    """Without a pickle, so that a colleague reads them without trusting their writer."""
    for dtype in dtypes_of(ml_dtypes):
        bits = np.random.default_rng(5).integers(0, 256, 24 * dtype.itemsize, np.uint8)
        array = bits.view(dtype).reshape(4, 6)
        for value in (array, array[1, 1], np.asfortranarray(array), array[::2], array[:0]):
            found, name = travelled(value)

            assert name == "ndarray"
            assert type(found) is type(value)
            assert found.dtype == dtype
            assert found.shape == value.shape
            assert bytes_of(found) == bytes_of(value)
            assert content_id(found) == content_id(value)


def test_structures_and_masks_of_them_come_back(ml_dtypes: Any) -> None:
    """Within what NumPy itself makes of arrays."""
    dtype = np.dtype([("a", "i1"), ("b", ml_dtypes.bfloat16, (2,))], align=True)
    structures = np.zeros(3, dtype)
    structures["b"][1] = 1.5
    masked = np.ma.array(structures["b"], mask=structures["b"] == 0)

    for value in (structures, [structures, {"a": structures["b"]}], masked):
        found, name = travelled(value)

        assert name in {"ndarray", "nested"}
        assert type(found) is type(value)
        assert content_id(found) == content_id(value)


def test_columns_of_them_come_back(ml_dtypes: Any) -> None:
    """A table that Arrow knows no place for is not to fail, and not to lose its dtype."""
    pd = pytest.importorskip("pandas")
    for name in ("bfloat16", "float8_e5m2", "int4"):
        value = pd.DataFrame({"a": np.array([1, 2], getattr(ml_dtypes, name))})

        found, _ = travelled(value)

        assert found.dtypes.iloc[0] == value.dtypes.iloc[0]
        assert content_id(found) == content_id(value)


def test_another_byte_order_is_refused(ml_dtypes: Any) -> None:
    """NumPy turns the bytes of such a copy around, and those of every later array with them."""
    # In a process of its own: what is told of here would spoil the dtype for all other tests.
    script = (
        "import numpy as np, ml_dtypes\n"
        "from mandala_cas.codec.canonical import content_id\n"
        "from mandala_cas.errors import UsageError\n"
        "value = np.zeros(2, np.dtype(ml_dtypes.bfloat16).newbyteorder('S'))\n"
        "try:\n"
        "    content_id(value)\n"
        "except UsageError as error:\n"
        "    print('byte order' in str(error))\n"
    )
    del ml_dtypes

    found = subprocess.check_output([sys.executable, "-c", script], text=True)

    assert found.strip() == "True"


@pytest.mark.parametrize(
    "dtype",
    ["ml_dtypes:", "ml_dtypes:finfo", "ml_dtypes:np", "ml_dtypes:__name__", "os:bfloat16", "<V2:a"],
)
def test_a_header_names_dtypes_alone(ml_dtypes: Any, dtype: str) -> None:
    """Nothing else of a package is to be had by bytes from outside."""
    del ml_dtypes

    with pytest.raises((ValueError, TypeError)):
        ArrayCodec().decode({"dtype": dtype, "shape": [1]}, memoryview(bytes(2)))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is software, and the values are not lost."""
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    header = {"dtype": "ml_dtypes:bfloat16", "shape": [1]}

    with pytest.raises(UnsupportedFormatError, match="pip install ml_dtypes") as caught:
        ArrayCodec().decode(header, memoryview(bytes(2)))

    assert caught.value.package == "ml_dtypes"


def rational() -> Any:
    """Return a dtype that is registered as those of ml_dtypes are, and comes with NumPy."""
    core = "_core" if int(np.__version__[0]) > 1 else "core"
    return pytest.importorskip(f"numpy.{core}._rational_tests").rational


def test_dtypes_of_any_package_differ() -> None:
    """By the name of the class of their elements, which is all that NumPy knows of them."""
    kind = rational()
    made = np.array([kind(1, 2), kind(3, 4)])
    strided = np.array([made[0], kind(9, 1), made[1]])[::2]

    found, _ = travelled(made)

    assert content_id(made) != content_id(made.view("V8"))
    assert content_id(np.dtype(kind)) != content_id(np.dtype("V8"))
    assert content_id(strided) == content_id(made) == content_id(found)
    assert content_id(made[0]) != content_id(made[1])


class Colour(np.void):  # type: ignore[misc]  # (NumPy lets it be derived from)
    """Bytes with a meaning."""


def test_bytes_of_a_class_of_their_own_differ_from_plain_ones() -> None:
    """A dtype of bytes may have any class of scalars."""
    made = np.zeros(2, np.dtype((Colour, 4)))

    assert content_id(made) != content_id(np.zeros(2, "V4"))
    assert content_id(made) == content_id(made.copy())
    assert content_id(travelled(made)[0]) == content_id(made)


def test_dtypes_with_parameters_of_their_own_are_refused() -> None:
    """Their elements may be addresses, and nobody says what else they are made of."""
    if int(np.__version__[0]) < 2:
        pytest.skip("this NumPy has no dtype to test with")
    core: Any = importlib.import_module("numpy._core._multiarray_umath")
    value = np.array([1.0, 2.0]).astype(core._get_sfloat_dtype()(2.0))

    with pytest.raises(UsageError, match="dtype"):
        content_id(value)
