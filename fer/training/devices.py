"""Where and in which precision a network is trained."""

import contextlib
from collections.abc import Iterator

import keras

from fer.errors import SettingsError
from fer.training.hosts import current_hosts


@contextlib.contextmanager
def use_dtype_policy(name: str) -> Iterator[None]:
    """Build layers under a Keras dtype policy, such as ``float32`` or ``mixed_bfloat16``."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def choose_dtype_policy(name: str) -> str:
    """Return the Keras dtype policy of a run; 'auto' is mixed_bfloat16 on JAX with a GPU, and float32 elsewhere."""
    if name != "auto":
        return name
    if keras.backend.backend() != "jax":
        return "float32"
    import jax

    return "mixed_bfloat16" if jax.default_backend() == "gpu" else "float32"


def runs_on_device(engine: str) -> bool:
    """Return whether whole epochs run on one device: if asked for, or by 'auto' on JAX with one GPU.

    Raises:
        SettingsError: the engine 'device' was asked for on another backend than JAX, or on several hosts.
    """
    is_jax = keras.backend.backend() == "jax"
    if engine == "device" and not is_jax:
        raise SettingsError(
            f"training.engine='device' needs JAX. Received: the backend {keras.backend.backend()!r}."
            ' Remedy: KERAS_BACKEND=jax, or --set training.engine="host".'
        )
    if engine == "device" and current_hosts().count > 1:
        raise SettingsError(
            "training.engine='device' runs on one device. Received: several hosts."
            ' Remedy: --set training.engine="host".'
        )
    if engine != "auto":
        return engine == "device"
    if not is_jax:
        return False
    import jax

    return jax.default_backend() == "gpu" and jax.device_count() == 1


@contextlib.contextmanager
def use_all_devices(batch_size: int) -> Iterator[None]:
    """Split each batch over the devices if JAX has several, on all hosts.

    Raises:
        SettingsError: the batch cannot be split evenly.
    """
    devices = _list_devices()
    if len(devices) < 2:
        yield
        return
    check_batch_size(batch_size)
    # Each process reads its own share of a batch, so that there is nothing for Keras to shard.
    with _use_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)):
        yield


def check_batch_size(batch_size: int) -> None:
    """Raise a :class:`~fer.errors.SettingsError` if a batch cannot be split evenly over the devices."""
    count = max(len(_list_devices()), 1)
    if batch_size % count:
        raise SettingsError(
            f"training.batch_size must be a multiple of the number of devices ({count}). Received: {batch_size}."
            f" Remedy: --set training.batch_size={count * max(batch_size // count, 1)}."
        )


@contextlib.contextmanager
def use_own_devices() -> Iterator[None]:
    """Make variables of this process alone, for work in which the others take no part."""
    with _use_distribution(None):
        yield


@contextlib.contextmanager
def _use_distribution(distribution: keras.distribution.DataParallel | None) -> Iterator[None]:
    previous = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(previous)


def _list_devices() -> list[str]:
    return list(keras.distribution.list_devices()) if keras.backend.backend() == "jax" else []
