"""Where and in which precision a network is trained."""

import contextlib
from collections.abc import Iterator

import keras

from fer.errors import SettingsError


@contextlib.contextmanager
def use_dtype_policy(name: str) -> Iterator[None]:
    """Build layers under a Keras dtype policy, such as ``float32`` or ``mixed_bfloat16``."""
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def runs_on_device(engine: str) -> bool:
    """Return whether whole epochs run on one device: if asked for, or by 'auto' on JAX with one GPU.

    Raises:
        SettingsError: the engine 'device' was asked for on another backend than JAX.
    """
    is_jax = keras.backend.backend() == "jax"
    if engine == "device" and not is_jax:
        raise SettingsError(
            f"training.engine='device' needs JAX. Received: the backend {keras.backend.backend()!r}."
            ' Remedy: KERAS_BACKEND=jax, or --set training.engine="host".'
        )
    if engine != "auto":
        return engine == "device"
    if not is_jax:
        return False
    import jax

    return jax.default_backend() == "gpu" and jax.device_count() == 1


@contextlib.contextmanager
def use_all_devices(batch_size: int) -> Iterator[None]:
    """Split each batch over the devices if JAX has several.

    Raises:
        SettingsError: the batch cannot be split evenly.
    """
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    if len(devices) < 2:
        yield
        return
    if batch_size % len(devices):
        raise SettingsError(
            f"training.batch_size must be a multiple of the number of devices ({len(devices)}). Received: {batch_size}."
            f" Remedy: --set training.batch_size={len(devices) * max(batch_size // len(devices), 1)}."
        )
    previous = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield
    finally:
        keras.distribution.set_distribution(previous)
