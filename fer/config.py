"""Settings of the data, the network and its training: frozen, validated, and equal in files and in code.

A run is described by one :class:`Config`. It is built from a named preset, a JSON file and single settings, the later
overriding the earlier (:func:`load_config`). An unknown or mistyped setting is a :class:`~fer.errors.SettingsError`.
"""

import json
import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from fer.errors import SettingsError, shorten, shorten_path
from fer.wording import suggest_name

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
#: Fits are between 0.1 and 10; far below, logits that are divided by it overflow.
Temperature = Annotated[float, Field(ge=0.001)]
Positive = Annotated[int, Field(ge=1)]
#: Numbers of channels, of layers in a row, and sides of a window: more than a face of 48 pixels can use.
Width = Annotated[int, Field(ge=1, le=4096)]
Depth = Annotated[int, Field(ge=1, le=100)]
Side = Annotated[int, Field(ge=1, le=48)]
#: What an output of a network is trained on: the labels of the data set, or the distribution of the FER+ votes.
Head = Literal["labels", "votes"]
#: All heads, in the order that a network has them.
HEADS: tuple[Head, ...] = ("labels", "votes")
#: Layers that are trained: every one, or the last one alone.
Layers = Literal["all", "head"]
#: Epochs of a fine-tuning; the task has the same number, and a test compares them.
FINETUNE_EPOCHS = 20
#: Characters of a value in a message.
_LONGEST_VALUE = 60
#: Sections inside sections in the name of a setting.
_MOST_SECTIONS = 10
#: Half of a UTF-16 pair, which UTF-8 cannot have.
_SURROGATE = re.compile("[\ud800-\udfff]")
Checked = TypeVar("Checked", bound=BaseModel)


def _name_setting(name: str, value: object, rule: str) -> PydanticCustomError:
    """Return the error of a validator of several settings; without a name, it would be that of the whole section."""
    return PydanticCustomError("setting", "{rule}", {"setting": name, "value": value, "rule": rule})


class Settings(BaseModel):
    """Frozen values that refuse unknown names, infinity and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _check_text(cls, value: Any) -> Any:
        # Settings are written as UTF-8, and some of them are names of files.
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and ("\0" in text or _SURROGATE.search(text)):
                raise ValueError("text must be UTF-8 without NUL")
        return value


class DataConfig(Settings):
    """Which rows a network is trained on, and with which targets."""

    name: str = Field("fer2013", description="Name of the prepared file data/<name>.npz.")
    drop_leaked: bool = Field(False, description="Drop training faces that are duplicated in validation or test.")
    drop_not_face: bool = Field(True, description="Drop training rows that most FER+ annotators mark as not a face.")
    ferplus_weight: Fraction = Field(0.0, description="Share of the FER+ vote distribution in a target; 0 ignores it.")
    label_smoothing: Fraction = Field(0.0, description="Share of the uniform distribution in a target.")
    class_weight_power: Fraction = Field(
        0.0, description="The loss weight of a class is its inverse share to this power."
    )


class StageConfig(Settings):
    """One resolution: an optional downsampling block, then identity blocks, all of separable convolutions."""

    filters: tuple[Width, ...] = Field(
        min_length=1, max_length=100, description="Widths of the first block's convolutions; last = stage width."
    )
    downsample: Literal["none", "pool", "stride"] = Field(
        "stride",
        description="How the first block halves the resolution: Chollet's max pooling after its convolutions, a stride"
        " in the first of them (a quarter of the work), or not at all.",
    )
    identity_blocks: int = Field(0, ge=0, le=100, description="Residual blocks at the stage's width that follow.")
    convolutions: Depth = Field(2, description="Separable convolutions in an identity block.")


class ModelConfig(Settings):
    """A member of the Xception family (Chollet, 2017, arXiv:1610.02357)."""

    name: str = "small"
    contrast_normalization: bool = Field(
        False, description="Give every face mean 0 and standard deviation 1, so that light and contrast do not count."
    )
    stem: tuple[tuple[Width, Side, Side], ...] = Field(
        ((64, 5, 2),),
        max_length=100,
        description="(filters, kernel size, stride) of each plain convolution at the start.",
    )
    stages: tuple[StageConfig, ...] = Field(
        min_length=1, max_length=100, description="Resolutions, from the largest to the smallest."
    )
    exit_filters: tuple[Width, ...] = Field(
        (), max_length=100, description="Widths of the separable convolutions before pooling."
    )
    pool_size: Literal[2, 3] = Field(2, description="Window of the max pooling, whose stride is 2.")
    convolution: Literal["separable", "plain"] = Field(
        "separable", description="Kind of the 3x3 convolutions: depthwise and pointwise, or full ones (for teachers)."
    )
    squeeze_ratio: Annotated[int, Field(ge=0, le=4096)] = Field(
        0, description="Squeeze-and-excitation reduction of each block (arXiv:1709.01507); 0 disables it."
    )
    stochastic_depth: Fraction = Field(0.0, description="Drop rate of the last identity block (arXiv:1603.09382).")
    dropout: Fraction = 0.0
    heads: tuple[Head, ...] = Field(
        ("labels",), description="Outputs on the same features: for the labels, the FER+ votes, or both, in this order."
    )
    batch_norm_momentum: Fraction = 0.99

    @field_validator("heads")
    @classmethod
    def _check_heads(cls, heads: tuple[Head, ...]) -> tuple[Head, ...]:
        # A saved network records the number of its heads only, so their order is fixed.
        if heads not in (("labels",), ("votes",), ("labels", "votes")):
            raise ValueError('heads must be ["labels"], ["votes"] or ["labels", "votes"]')
        return heads


class AugmentationConfig(Settings):
    """Ranges of the random augmentation of a face at strength 1; each phase scales them."""

    rotation: float = Field(12.0, ge=0.0, le=180.0, description="Largest rotation either way, in degrees.")
    shift: Fraction = Field(0.08, description="Largest shift either way, as a share of the side.")
    zoom: float = Field(0.1, ge=0.0, lt=1.0, description="Largest relative change of size either way.")
    flip: bool = Field(True, description="Mirror half of the faces.")
    brightness: Fraction = Field(0.1, description="Largest shift of grey either way, as a share of 255.")
    contrast: Fraction = Field(0.2, description="Largest relative change of contrast either way.")
    erasing: Fraction = Field(0.25, description="Probability that a rectangle is erased (arXiv:1708.04896).")
    mixup: float = Field(
        0.0, ge=0.0, le=1000.0, description="Alpha of mixup's Beta distribution (arXiv:1710.09412); 0 = none."
    )


class DegradationConfig(Settings):
    """Probabilities of degradations that real images have and FER2013 has not; each phase scales them."""

    blur: Fraction = Field(0.0, description="Probability of a Gaussian blur.")
    low_resolution: Fraction = Field(0.0, description="Probability of a reduction to 16 to 36 pixels and back.")
    jpeg: Fraction = Field(0.0, description="Probability of JPEG compression with quality 15 to 80.")
    noise: Fraction = Field(0.0, description="Probability of Gaussian noise of up to 16 grey levels.")
    gamma: float = Field(0.0, ge=0.0, le=3.0, description="Largest gamma either way, in powers of two.")
    light: Fraction = Field(0.0, description="Probability of uneven light.")
    occlusion: Fraction = Field(0.0, description="Probability of glasses, a mask or a hand.")

    @property
    def is_active(self) -> bool:
        """Whether any degradation can happen."""
        return self != DegradationConfig()


class PhaseConfig(Settings):
    """A phase of training with one learning-rate schedule and one strength of augmentation."""

    name: str
    epochs: int = Field(ge=1, le=100_000)
    learning_rate: float = Field(gt=0.0, le=1000.0, description="Peak learning rate.")
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_epochs: int = Field(0, ge=0, description="Epochs of linear rise to the peak.")
    final_learning_rate: float = Field(0.0, ge=0.0, le=1000.0, description="Learning rate at the end of the cosine.")
    augmentation_strength: Fraction = 1.0
    mixup: bool = True

    @model_validator(mode="after")
    def _warmup_fits(self) -> "PhaseConfig":
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise _name_setting(
                "warmup_epochs", self.warmup_epochs, f"warmup_epochs must be below epochs ({self.epochs})"
            )
        return self


class TrainingConfig(Settings):
    """How a network is trained."""

    batch_size: int = Field(64, ge=1, le=65536)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = Field(0.05, ge=0.0, le=1000.0)
    gradient_clip: float = Field(1.0, ge=0.0, description="Largest global norm of a gradient; 0 = no limit.")
    ema_momentum: float = Field(0.999, ge=0.0, lt=1.0, description="Momentum of the averaged weights; 0 = none.")
    dtype_policy: Literal["auto", "float32", "mixed_bfloat16"] = Field(
        "float32", description="Precision of the computation; 'auto' takes mixed_bfloat16 on a GPU (JAX)."
    )
    engine: Literal["auto", "host", "device"] = Field(
        "auto",
        description="Prepare batches on the host, or whole epochs on one GPU (JAX); 'auto' takes the GPU if it can.",
    )
    initial_run: str = Field("", description="Run folder or .keras file whose weights training starts from.")
    layers: Layers = Field("all", description="Train every layer, or the last one alone.")
    kept_epoch: Literal["best", "last"] = Field("best", description="Keep the best epoch on validation, or the last.")
    phases: tuple[PhaseConfig, ...] = Field(min_length=1)
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of all random draws.")

    @property
    def epochs(self) -> int:
        """Total epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def phase_at(self, epoch: int) -> PhaseConfig:
        """Return the phase that epoch number ``epoch`` (from 0) belongs to."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase
            epoch -= phase.epochs
        return self.phases[-1]


class DistillationConfig(Settings):
    """Trained networks whose mean predictions are blended into the targets (arXiv:1503.02531)."""

    teacher: tuple[str, ...] = Field((), description="Run folders or .keras files; a single one may be given as text.")
    teacher_preset: str = Field(
        "", description="Preset for training a missing teacher first, with its index in the list as the seed."
    )
    weight: Fraction = Field(0.7, description="Share of the teachers' mean prediction in a target.")
    temperature: Temperature = Field(1.0, description="Divides the logits of the prediction; above 1 softens it.")
    consistent: bool = Field(
        False,
        description="Predict each face at every step, augmented and mixed as for the student (arXiv:2106.05237);"
        " otherwise predict each training face once.",
    )
    views: int = Field(
        0,
        ge=0,
        le=1000,
        description="With consistent, number of augmented views of each face that are repeated in turn, whose"
        " predictions are computed once, mirrored on every second pass; 0 = new views, predicted at every step.",
    )

    @field_validator("teacher", mode="before")
    @classmethod
    def _accept_one_path(cls, value: object) -> object:
        return ((value,) if value else ()) if isinstance(value, str) else value


class Config(Settings):
    """All settings of a run."""

    data: DataConfig = DataConfig()
    model: ModelConfig
    augmentation: AugmentationConfig = AugmentationConfig()
    degradation: DegradationConfig = DegradationConfig()
    training: TrainingConfig
    distillation: DistillationConfig = DistillationConfig()

    @model_validator(mode="after")
    def _views_are_alike(self) -> "Config":
        views = {(phase.augmentation_strength, phase.mixup) for phase in self.training.phases}
        if self.distillation.views and len(views) > 1:
            rule = "distillation.views needs the same augmentation_strength and mixup in every phase"
            raise _name_setting("distillation.views", self.distillation.views, rule)
        return self

    def to_json(self) -> str:
        """Return the settings as indented JSON that :func:`parse_config` reads back to an equal value."""
        return self.model_dump_json(indent=2) + "\n"


def parse_config(settings: dict[str, Any]) -> Config:
    """Build a checked configuration from nested dictionaries.

    Raises:
        SettingsError: a setting is unknown, missing, mistyped or out of range; the message names the first such one.
    """
    return validate(Config, settings)


def validate(kind: type[Checked], values: dict[str, Any], section: str = "") -> Checked:
    """Build settings, or results kept in JSON, from nested dictionaries.

    Args:
        kind: the class.
        values: by name.
        section: what the values are a section of, for the message.

    Raises:
        SettingsError: a value is unknown, missing, mistyped or out of range; the message names the first such one.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # A mistyped name is also a missing setting: the name that was given helps more.
        errors = error.errors()
        first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
        context = first.get("ctx", {})
        parts = (section, *first["loc"], context.get("setting", ""))
        name = shorten(".".join(str(part) for part in parts if part != ""))
        rule = shorten(first["msg"].lower().removeprefix("value error, "), 100)
        suggestion = _suggest_setting(kind, first["loc"]) if first["type"] == "extra_forbidden" else ""
        raise SettingsError(
            f"Setting '{name}' is not valid: {rule}. Received:"
            f" {_shorten(context.get('value', first['input']))}.{suggestion}"
            " Remedy: see docs/settings.md for the settings and their ranges."
        ) from None


def _suggest_setting(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return the setting nearest to an unknown one: of its own section, or a section.key of all."""
    section: Any = kind
    for part in location[:-1]:
        field = section.model_fields.get(part) if isinstance(part, str) else None
        models = _find_models(field.annotation) if field else []
        section = models[0] if models else section
    name = str(location[-1])
    own = suggest_name(name, section.model_fields)
    return own or suggest_name(".".join(map(str, location)), _list_settings(kind))


def _list_settings(kind: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, field in kind.model_fields.items():
        names.append(prefix + name)
        for model in _find_models(field.annotation):
            names += _list_settings(model, f"{prefix}{name}.")
    return names


def _find_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the settings classes in a type, such as ``tuple[StageConfig, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _find_models(part)]


def _shorten(value: object) -> str:
    try:
        return shorten(repr(value), _LONGEST_VALUE)
    except (ValueError, RecursionError):
        return "a number of thousands of digits" if isinstance(value, int) else "a deeply nested value"


def list_presets() -> list[str]:
    """Return the names of the presets that the package ships."""
    folder = resources.files("fer") / "presets"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def load_config(preset: str = "small", path: str | Path | None = None, overrides: Iterable[str] = ()) -> Config:
    """Build the settings of a run from a preset, a JSON file and single settings; the later override the earlier.

    Args:
        preset: a name from :func:`list_presets`.
        path: a JSON file whose keys override the preset's; nested objects are merged, lists are replaced.
        overrides: ``section.key=value`` strings, the value in JSON, or text otherwise.

    Raises:
        SettingsError: a name, file or setting is not valid.
    """
    settings = _read_preset(preset)
    if path is not None:
        settings = _merge(settings, read_json(path))
    return override_settings(settings, overrides)


def override_settings(settings: dict[str, Any], overrides: Iterable[str]) -> Config:
    """Build a checked configuration from nested dictionaries and ``section.key=value`` strings that override them.

    Raises:
        SettingsError: a setting is not valid.
    """
    for override in overrides:
        settings = _merge(settings, _parse_override(override))
    return parse_config(settings)


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises:
        SettingsError: the file is missing, is not JSON, or holds something other than an object.
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(
            f"A JSON file must be readable. Received: {shorten_path(path)} ({error.strerror})."
        ) from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            f"A JSON file must hold valid JSON. Received: {shorten_path(path)} ({shorten(error)})."
        ) from None
    if not isinstance(content, dict):
        raise SettingsError(f"A JSON file must hold one object. Received: {shorten_path(path)}.")
    return dict(content)


def _read_preset(name: str) -> dict[str, Any]:
    presets = list_presets()
    if name not in presets:
        raise SettingsError(
            f"Unknown preset. Use {', '.join(map(repr, presets))}. Received: {_shorten(name)}."
            f"{suggest_name(name, presets)}"
        )
    return dict(json.loads((resources.files("fer") / "presets" / f"{name}.json").read_text(encoding="utf-8")))


def _parse_override(override: str) -> dict[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise SettingsError(f"A single setting is written section.key=value. Received: {_shorten(override)}.")
    *sections, name = key.strip().split(".")
    if len(sections) > _MOST_SECTIONS:
        raise SettingsError(f"A single setting is written section.key=value. Received: {_shorten(key)}.")
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = text
    except RecursionError:
        raise SettingsError(
            f"The value of a setting must not be nested deeply. Received: {_shorten(override)}."
        ) from None
    settings = {name: value}
    for section in reversed(sections):
        settings = {section: settings}
    return settings


def _merge(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
