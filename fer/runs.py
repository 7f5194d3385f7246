"""Run folders: the names of their files, and how to find one.

A run folder holds one trained network: ``artifacts/<run>/``. Only this module contains the names of its files.
"""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fer.calibration import Calibration, Calibrations
from fer.config import HEADS, Config, parse_config, read_json, validate
from fer.errors import ModelError, SettingsError
from fer.files import name_missing_keys, write_atomically
from fer.joint import JointCalibration

#: Folder of the runs that are found by name.
ARTIFACTS = Path("artifacts")

#: The shipped run: inside the package in a built wheel, beside it in a checkout.
SHIPPED_RUNS = (Path(__file__).parent / "shipped", Path(__file__).parent.parent / "artifacts" / "xception")

#: The runs inside the package in a built wheel, by the name of their folder in a checkout.
PACKAGED_RUNS = {"xception": SHIPPED_RUNS[0], "mini": Path(__file__).parent / "shipped_mini"}

#: Sections of ``config.json`` in runs written before there was a ``calibration.json``.
_FORMER_CALIBRATIONS = {"labels": "calibration", "votes": "calibration_votes"}

#: Exported networks and their cards.
_EXPORTED = ("model*.onnx", "model*.onnx.json", "model*.tflite", "model*.tflite.json", "openvino/*")

#: Further files of a run folder.
_OTHER_FILES = ("model.keras", "model.keras.sha256", "config.json", "state/state-*", *_EXPORTED)


class _File:
    """A file of a run folder: ``run.metrics`` is the path of ``metrics.json`` in it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: "Run", owner: type["Run"]) -> Path:
        return run.folder / self.name


@dataclass(frozen=True)
class Run:
    """A run folder.

    Args:
        folder: path of the folder; it need not exist.

    Example:
        >>> Run.find("mini").model.as_posix()
        'artifacts/mini/model.keras'
    """

    folder: Path

    model_name: ClassVar[str] = "model.keras"
    config_name: ClassVar[str] = "config.json"
    #: The calibration of each head and of all together, fitted on validation.
    calibration: ClassVar = _File("calibration.json")
    #: Digests of the data set and of the teachers.
    provenance: ClassVar = _File("provenance.json")
    #: The network for ONNX Runtime, with the calibration inside.
    onnx: ClassVar = _File("model.onnx")
    #: One row per epoch, and its plot.
    history: ClassVar = _File("history.csv")
    curves: ClassVar = _File("curves.png")
    #: Folder of the checkpoints that a resumed training starts from.
    state: ClassVar = _File("state")
    #: Held by the process that trains into the folder.
    lock: ClassVar = _File("train.lock")
    #: Folder of the run that a new one replaces, until that has a checkpoint; and of its files while they are moved.
    replaced: ClassVar = _File("replaced")
    moved: ClassVar = _File("moved")
    #: The figures of the evaluation, and the document that shows them.
    metrics: ClassVar = _File("metrics.json")
    model_card: ClassVar = _File("model_card.md")
    #: Reports on the test split; ``mistakes`` shows faces and is never shared.
    classification_report: ClassVar = _File("classification_report.txt")
    confusion_matrix: ClassVar = _File("confusion_matrix.csv")
    confusion_plot: ClassVar = _File("confusion_matrix.png")
    roc: ClassVar = _File("roc.png")
    precision_recall: ClassVar = _File("precision_recall.png")
    reliability: ClassVar = _File("reliability.png")
    #: The points of the three plots above.
    plot_points: ClassVar = _File("plots.json")
    mistakes: ClassVar = _File("mistakes.png")
    #: Figures before and after fine-tuning.
    comparison: ClassVar = _File("comparison.json")
    #: Accuracy on faces shown as photos.
    photo_check: ClassVar = _File("photo_check.json")
    #: Accuracy on corrupted faces, and its plot.
    robustness: ClassVar = _File("robustness.json")
    robustness_plot: ClassVar = _File("robustness.png")

    @classmethod
    def find(cls, name: str | Path) -> "Run":
        """Return a run by its name under ``artifacts/``, or by the path of its folder.

        Args:
            name: text without a slash is a name; text with one, or a ``Path``, is a path.
        """
        is_path = isinstance(name, Path) or "/" in name or "\\" in name
        return cls(Path(name) if is_path else ARTIFACTS / name)

    @classmethod
    def find_trained(cls, name: str | Path) -> "Run":
        """Return a run to read by its name or path; a name that is not in ``artifacts/`` may be one of the wheel's.

        Example:
            >>> Run.find_trained("mini").name in ("mini", "shipped_mini")
            True
        """
        run = cls.find(name)
        packaged = PACKAGED_RUNS.get(str(name))
        return cls(packaged) if packaged and packaged.is_dir() and not run.folder.exists() else run

    @classmethod
    def find_shipped(cls) -> "Run":
        """Return the run that ``fer.Classifier.load()`` uses: ``FER_MODEL`` if it is set, otherwise the shipped run.

        Raises:
            ModelError: there is nothing at that path.
        """
        path = os.environ.get("FER_MODEL")
        candidates = [Path(path)] if path else list(SHIPPED_RUNS)
        for candidate in candidates:
            if candidate.exists():
                return cls(candidate)
        raise ModelError(
            f"There must be a run folder or a .keras file at {candidates[-1]}. Received: nothing there."
            " Remedy: pass the path of a run, or set FER_MODEL to one."
        )

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.name

    @property
    def reference(self) -> str:
        """The name or absolute path by which :meth:`find` finds this run, for settings."""
        return self.name if self.folder == ARTIFACTS / self.name else str(self.folder.absolute())

    @property
    def argument(self) -> str:
        """The value of ``--run`` that finds this run, quoted for a shell."""
        return shlex.quote(self.reference)

    @property
    def model(self) -> Path:
        """The network: ``model.keras``, or the path itself if ``FER_MODEL`` is a ``.keras`` file."""
        return self.folder if self.folder.suffix == ".keras" else self.folder / self.model_name

    @property
    def config(self) -> Path:
        """The settings that it was trained with."""
        return self.folder / self.config_name

    @property
    def unshared(self) -> tuple[str, ...]:
        """Names of what a copy for others leaves out: faces of the data set, and the state of a training."""
        return tuple(path.name for path in (self.mistakes, self.state, self.replaced, self.moved))

    @property
    def is_finished(self) -> bool:
        """Whether the folder holds a trained network."""
        return self.model.is_file()

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a checkpoint of an unfinished training."""
        return any(self.state.glob("state-*.npz"))

    @property
    def is_run(self) -> bool:
        """Whether training wrote this folder, by the content of its files and not by their names alone."""
        try:
            if self.provenance.is_file() and {"data_sha256", "teachers"} <= set(self.read_provenance()):
                return True
            return (self.is_finished or self.is_begun) and bool(self.read_config())
        except (ModelError, SettingsError):
            return False

    def read_config(self) -> Config:
        """Return the settings that the run was trained with.

        Raises:
            ModelError: the folder has no ``config.json``.
            SettingsError: the file is damaged, or holds an unknown setting.
        """
        settings = self._read_settings()
        for section in _FORMER_CALIBRATIONS.values():
            settings.pop(section, None)
        if isinstance(settings.get("distillation"), dict):
            settings["distillation"].pop("sha256", None)
        return parse_config(settings)

    def write_config(self, config: Config) -> None:
        """Write ``config.json`` atomically."""
        write_atomically(self.config, config.to_json())

    def read_calibrations(self) -> Calibrations:
        """Return the calibration of each head; runs from before version 0.2 have it in ``config.json``.

        Raises:
            SettingsError: the file is damaged.
        """
        if self.calibration.is_file():
            sections = read_json(self.calibration)
        else:
            settings = self._read_settings() if self.config.is_file() else {}
            sections = {head: settings[name] for head, name in _FORMER_CALIBRATIONS.items() if name in settings}
        return parse_calibrations(sections)[0]

    def read_joint_calibration(self) -> JointCalibration | None:
        """Return the calibration of all heads together; None for runs written before there was one.

        Raises:
            SettingsError: the file is damaged.
        """
        return parse_calibrations(read_json(self.calibration) if self.calibration.is_file() else {})[1]

    def write_calibrations(self, calibrations: Calibrations, joint: JointCalibration | None = None) -> None:
        """Write ``calibration.json`` atomically."""
        write_atomically(self.calibration, to_json(dump_calibrations(calibrations, joint)))

    def read_provenance(self) -> dict[str, Any]:
        """Return ``provenance.json``: ``data_sha256``, and ``teachers``, a mapping from path to sha256.

        Runs from before version 0.2 have the digests of their teachers in ``config.json``, and none of the data set.

        Raises:
            ModelError: the folder has neither file; or, later, ``provenance.json`` lacks a key that is looked up.
            SettingsError: the file is damaged.
        """
        if self.provenance.is_file():
            return name_missing_keys(read_json(self.provenance), self.provenance, "restore the file, or train again")
        teachers = self.read_config().distillation.teacher
        digests = self._read_settings().get("distillation", {}).get("sha256", ())
        return {"data_sha256": None, "teachers": dict(zip(teachers, digests, strict=False))}

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        """Write ``provenance.json`` atomically."""
        write_atomically(self.provenance, to_json(provenance))

    def list_files(self) -> list[Path]:
        """Return the files of the run that the folder holds, without the lock and the files that were moved aside."""
        names = [file.name for file in vars(Run).values() if isinstance(file, _File)]
        names = [name for name in names if name not in ("state", "replaced", "moved", "train.lock")]
        return [path for pattern in (*_OTHER_FILES, *names) for path in self.folder.glob(pattern)]

    def _read_settings(self) -> dict[str, Any]:
        if not self.config.is_file():
            raise ModelError(
                f"A run folder holds config.json. Received: {self.folder}, without it. Remedy: run `invoke train`."
            )
        return read_json(self.config)


def parse_calibrations(sections: Mapping[str, Any]) -> tuple[Calibrations, JointCalibration | None]:
    """Return the calibration of each head and that of all together from the content of a ``calibration.json``.

    Raises:
        SettingsError: a section is damaged.
    """
    joint = validate(JointCalibration, sections["joint"], "joint") if "joint" in sections else None
    return {head: validate(Calibration, sections[head], head) for head in HEADS if head in sections}, joint


def dump_calibrations(calibrations: Calibrations, joint: JointCalibration | None) -> dict[str, Any]:
    """Return the content of a ``calibration.json``."""
    sections: dict[str, Any] = {
        head: calibration.model_dump(exclude_defaults=True) for head, calibration in calibrations.items()
    }
    return sections | ({"joint": joint.model_dump()} if joint else {})


def name_card(path: Path) -> Path:
    """Return the path of the card of an exported file: ``model.onnx`` has ``model.onnx.json``."""
    return path.with_name(f"{path.name}.json")


def to_json(content: Mapping[Any, Any]) -> str:
    """Return a mapping as the text of a JSON file."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
