"""Tensors have the ids of what they hold, and modules of all that they are made of."""

from __future__ import annotations

import copy
import functools
import pickle
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from tests.tensors.tensor_values import NAMES, PAIRS, all_floats, jax_of, model, torch_of

from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError

pytestmark = pytest.mark.tensors


class Affine(torch.nn.Module):  # type: ignore[misc]  # (untyped)
    """A module of a user's, with all that a module can have."""

    def __init__(self, scale: float = 2.0) -> None:
        """Hold a setting, two buffers, a parameter, a module and a missing one."""
        super().__init__()
        self.scale = scale
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.register_parameter("bias", None)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("cache", torch.zeros(2), persistent=False)
        self.inner = torch.nn.Linear(2, 2)
        torch.nn.init.ones_(self.inner.weight)
        torch.nn.init.ones_(self.inner.bias)


def changed(change: Callable[[Any], Any]) -> Affine:
    """Return the module after a change."""
    module = Affine()
    with torch.no_grad():
        change(module)
    return module


def hook(*_: Any) -> None:
    """Do nothing when a module is called."""


def other_hook(*_: Any) -> None:
    """Do nothing else."""


@pytest.mark.parametrize("name", [*NAMES, *PAIRS])
def test_strides_do_not_matter(name: str) -> None:
    """A tensor is what it shows."""
    tensor = torch_of(name)
    turned = tensor.t().clone(memory_format=torch.contiguous_format).t()

    assert turned.stride() != tensor.stride()
    assert content_id(turned) == content_id(tensor)
    assert content_id(torch.stack([tensor, tensor], 1)[:, 0]) == content_id(tensor)


def test_a_large_tensor_is_what_it_shows() -> None:
    """It is hashed in place, or in pieces where its elements do not follow each other."""
    for dtype in (torch.float32, torch.bfloat16):
        tensor = torch.arange(300_000).to(dtype).reshape(3, 100_000)
        turned = tensor.t().contiguous().t()
        spoilt = tensor.clone()
        spoilt[2, 99_999] = float("nan")
        spoilt_turned = spoilt.t().contiguous().t()

        assert content_id(turned) == content_id(tensor)
        assert content_id(spoilt_turned) == content_id(spoilt) != content_id(tensor)


@pytest.mark.parametrize("name", [*NAMES, *PAIRS])
def test_torch_and_jax_tensors_differ(name: str) -> None:
    """A value comes back as one of the library that it was of."""
    assert content_id(torch_of(name)) != content_id(jax_of(name))


def test_every_dtype_and_shape_has_an_id_of_its_own() -> None:
    """Zeros and ones of all kinds."""
    tensors = [torch_of(name) for name in (*NAMES, *PAIRS)]
    tensors += [torch_of("float32", shape) for shape in ((), (6,), (3, 2), (1, 2, 3), (0, 3))]
    tensors += [
        torch.ones(2),
        torch.ones(2, requires_grad=True),
        torch.nn.Parameter(torch.ones(2)),
        torch.nn.Parameter(torch.ones(2), requires_grad=False),
    ]

    ids = {content_id(tensor) for tensor in tensors}

    assert len(ids) == len(tensors)
    assert content_id(np.ones(2, np.float32)) not in ids


@pytest.mark.parametrize("name", ["float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz"])
def test_all_nans_of_a_short_float_are_one(name: str) -> None:
    """As they are for the long ones; and nothing else is taken for one."""
    numbers = all_floats(name)
    ids = [content_id(numbers[place]) for place in range(256)]
    nans = numbers.to(torch.float32).isnan().tolist()

    assert any(nans)
    assert len({id_ for id_, is_nan in zip(ids, nans, strict=True) if is_nan}) == 1
    assert len(set(ids)) == 256 - sum(nans) + 1


def test_all_nans_of_bfloat16_are_one() -> None:
    """Positive, negative and with a payload."""
    bits = torch.tensor([0x7FC0, 0x7F81, -1, 0x7F80], dtype=torch.int16)
    numbers = bits.view(torch.bfloat16)
    ids = [content_id(number) for number in numbers]

    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_conjugates_are_what_they_show() -> None:
    """They are only noted to be read as such."""
    tensor = torch.tensor([1 + 2j])

    assert tensor.conj().is_conj()
    assert content_id(tensor.conj()) == content_id(torch.tensor([1 - 2j]))
    assert content_id(tensor.conj().imag) == content_id(torch.tensor([-2.0]))


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_sparse_tensors_are_their_parts() -> None:
    """Every layout, and every change in one."""
    dense = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    layouts: list[Callable[[], torch.Tensor]] = [
        dense.to_sparse,
        lambda: torch.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 3.0], (2, 2)).coalesce(),
        lambda: torch.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 2.0], (2, 2), is_coalesced=False),
        dense.to_sparse_csr,
        dense.to_sparse_csc,
        lambda: dense.to_sparse_bsr((1, 1)),
        lambda: dense.to_sparse_bsc((1, 1)),
    ]
    ids = [content_id(make()) for make in layouts]

    assert len({*ids, content_id(dense)}) == len(layouts) + 1
    assert [content_id(make()) for make in layouts] == ids


def test_subclasses_and_attributes_count() -> None:
    """They may mean anything."""
    kind = type("Own", (torch.Tensor,), {})
    noted = torch.ones(2)
    noted.note = "mine"
    values = [torch.ones(2), torch.ones(2).as_subclass(kind), noted]

    assert len({content_id(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    "make",
    [
        Affine,
        model,
        lambda: torch.nn.MultiheadAttention(4, 2).requires_grad_(False).apply(ones),
        lambda: torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9),
    ],
)
def test_equal_modules_have_equal_ids(make: Callable[[], Any]) -> None:
    """Built twice, copied, and back from a pickle."""
    value = make()

    assert content_id(make()) == content_id(value)
    assert content_id(copy.deepcopy(value)) == content_id(value)
    assert content_id(pickle.loads(pickle.dumps(value))) == content_id(value)  # noqa: S301 (ours)


def ones(module: torch.nn.Module) -> None:
    """Set everything in a module to one."""
    for parameter in module.parameters(recurse=False):
        torch.nn.init.ones_(parameter)


def test_every_change_of_a_module_shows() -> None:
    """One weight deep inside, a buffer, a setting, a mode, a hook, an order."""
    modules = [
        Affine(),
        Affine(2.5),
        changed(lambda module: module.inner.weight[1, 1].zero_()),
        changed(lambda module: module.mean[0].add_(1)),
        changed(lambda module: module.cache[0].add_(1)),
        changed(lambda module: module.eval()),
        changed(lambda module: module.inner.eval()),
        changed(lambda module: module.requires_grad_(False)),
        changed(lambda module: module._non_persistent_buffers_set.clear()),
        changed(lambda module: module.register_forward_hook(hook)),
        changed(lambda module: module.register_forward_hook(other_hook)),
        changed(lambda module: module.register_forward_pre_hook(hook)),
        changed(lambda module: module.register_forward_hook(hook, with_kwargs=True)),
        changed(lambda module: module._parameters.update(weight=module._parameters.pop("weight"))),
    ]

    assert len({content_id(module) for module in modules}) == len(modules)


def test_hooks_that_are_gone_do_not_count() -> None:
    """Nor does how many there were before."""
    module, other = Affine(), Affine()
    module.register_forward_hook(hook).remove()

    assert content_id(module) == content_id(other)

    module.register_forward_hook(hook)
    other.register_forward_hook(hook)

    assert content_id(module) == content_id(other)


def test_what_a_step_computed_does_not_count() -> None:
    """A gradient is not part of a parameter."""
    module = Affine()
    before = content_id(module)
    module.inner(torch.ones(2)).sum().backward()

    assert module.inner.weight.grad is not None
    assert content_id(module) == before


def test_an_error_names_the_place_in_a_module() -> None:
    """A model has hundreds of parts."""
    module = Affine()
    module.inner.lock = threading.Lock()

    with pytest.raises(UsageError, match=r"\.inner\.lock"):
        content_id(module)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.nn.LazyLinear(2), "has no shape yet; run the module once"),
        (lambda: torch.ones(2, device="meta"), "no elements of its own"),
        (lambda: torch.nested.nested_tensor([torch.ones(2)]), "nested tensor; pass the list"),
        (lambda: torch.ones(2).untyped_storage(), "memory of a tensor; pass the tensor"),
        (lambda: torch.zeros(2, dtype=torch.uint8).view(torch.bits8), "it is of torch.bits8"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantized"),
        (lambda: torch.ones(2).to_mkldnn(), "pass its to_dense"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_has_no_elements_is_refused(make: Callable[[], Any], reason: str) -> None:
    """With what to pass instead."""
    with pytest.raises(UsageError, match=reason):
        content_id(make())


def test_the_small_types_of_torch_have_ids() -> None:
    """They are arguments more often than tensors are."""
    values = [
        torch.Size([1, 2]),
        torch.Size([2, 1]),
        (1, 2),
        torch.float32,
        torch.float64,
        torch.device("cpu"),
        torch.device("cuda:0"),
        torch.strided,
        torch.sparse_coo,
        torch.contiguous_format,
        torch.channels_last,
        torch.Generator().manual_seed(0),
        torch.Generator().manual_seed(1),
    ]

    assert len({content_id(value) for value in values}) == len(values)
    assert content_id(torch.Generator().manual_seed(1)) == content_id(values[-1])
    assert content_id(torch.empty(1, 2).shape) == content_id(values[0])


def test_arrays_of_jax_are_what_they_hold() -> None:
    """Dtype, shape, elements, and whether the dtype gives way."""
    arrays = [jax_of(name) for name in (*NAMES, *PAIRS, "int4", "uint4", "float8_e4m3")]
    arrays += [
        jax_of("float32", (3, 2)),
        jnp.asarray(1.0),
        jnp.asarray(1.0, jnp.float32),
        jax.random.key(0),
        jax.random.key(1),
        jax.random.key(0, impl="rbg"),
        jax.random.PRNGKey(0),
    ]

    ids = [content_id(array) for array in arrays]

    assert len(set(ids)) == len(arrays)
    assert content_id(jnp.asarray(np.ones((2, 3), np.float32).T).T) == content_id(
        jnp.ones((2, 3), jnp.float32)
    )


def test_nans_of_jax_are_one() -> None:
    """Of long floats, and of those that NumPy does not know."""
    for name in ("float32", "bfloat16", "float8_e4m3", "float8_e3m4", "float8_e5m2"):
        nan = jnp.asarray([np.nan], name)

        assert content_id(-nan) == content_id(nan)
        assert content_id(nan) != content_id(jnp.asarray([0], name))


def test_a_tracer_is_refused() -> None:
    """It has no elements: a hit would be remembered for all that is passed."""

    @functools.partial(jax.jit)
    def traced(x: Any) -> Any:
        """Ask for the id of what JAX passes while it traces."""
        with pytest.raises(UsageError, match="call ops outside of jit"):
            content_id(x)
        return x

    traced(jnp.ones(2))


def test_an_array_that_was_given_away_is_refused() -> None:
    """Its elements are gone."""
    array = jnp.ones(2)
    array.delete()

    with pytest.raises(UsageError, match="its elements cannot be read here"):
        content_id(array)
