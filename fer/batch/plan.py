"""The plan of a batch: which units are in which part, fixed at the start, so that later runs write the same parts.

The plan is the folder ``plan/`` in the output folder: ``plan.json`` with the settings and the digests of the lists of
units, and these lists. It appears there whole, by a rename.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fer.batch.segments import list_segmented
from fer.batch.units import KINDS, Kind, UnitList, find_offsets, read_units, write_units
from fer.errors import OutputError, SettingsError, shorten
from fer.files import show_path, write_atomically
from fer.wording import format_count

#: Images per part: at most this many, and at least so many that a small batch still has parts for several workers.
LARGEST_PART = 256
_SMALLEST_PART = 16
_PARTS_OF_A_SMALL_BATCH = 64

#: Folder of the parts of segments, which are joined and removed.
SEGMENTS = "segments"
_PLAN, _NEW_PLAN = "plan", "plan.new"
_VERSION = 1


@dataclass(frozen=True)
class Shard:
    """The units of one part, or a segment of one long video.

    Args:
        kind: what they are.
        number: number of the part among those of its kind, from 0.
        offset: the byte of the list at which the first of them begins.
        count: number of units.
        num_segments: number of segments in which the video is analyzed; 1 for all else.
        segment: number of the segment, from 0; None for the whole part.
    """

    kind: Kind
    number: int
    offset: int
    count: int
    num_segments: int = 1
    segment: int | None = None

    def split(self) -> "tuple[Shard, ...]":
        """Return what workers take of a part: its segments, or the part itself."""
        if self.num_segments == 1:
            return (self,)
        return tuple(replace(self, segment=number) for number in range(self.num_segments))

    def find_part(self, out: Path) -> Path:
        """Return the path of the part, or of that of the segment, in an output folder."""
        name = f"part-{self.number:06d}"
        if self.segment is None:
            return out / f"{self.kind}s" / f"{name}.parquet"
        return out / SEGMENTS / f"{name}-{self.segment:04d}.parquet"

    @property
    def part_name(self) -> str:
        """The path within the output folder of the part that the rows are in at the end, with slashes."""
        return replace(self, segment=None).find_part(Path()).as_posix()

    def read_units(self, out: Path) -> list[str]:
        """Return the paths or addresses of the units, from the plan in an output folder."""
        return read_units(out / _PLAN / f"{self.kind}s.txt", self.offset, self.count)


@dataclass(frozen=True)
class Plan:
    """The plan of a batch.

    Args:
        out: the output folder.
        settings: what the rows depend on.
        counts: number of units of each kind.
        shards: the shards, images first.
        notes: sentences about what is in no part: files left aside, and repeats.
    """

    out: Path
    settings: dict[str, Any]
    counts: dict[Kind, int]
    shards: tuple[Shard, ...]
    notes: tuple[str, ...]

    @property
    def num_units(self) -> int:
        """Number of images and videos."""
        return sum(self.counts.values())


def open_plan(
    inputs: str | Path | Sequence[str | Path],
    out: Path,
    settings: Mapping[str, Any],
    *,
    part_size: int | None = None,
    segment: int = 0,
) -> Plan:
    """Return the plan in an output folder after checking that it is for these inputs and settings, or write a new one.

    Args:
        inputs: what :func:`fer.batch.units.write_units` takes.
        out: the output folder, which this process has locked.
        settings: what the rows depend on.
        part_size: number of images per part; None chooses it by the number of images.
        segment: seconds of a segment of a longer video; 0 leaves all videos whole.

    Raises:
        DataError: a manifest cannot be read.
        ImageError: the inputs name no unit.
        OutputError: the folder cannot be written, or holds other files.
        SettingsError: the folder holds a batch of other inputs or settings.
    """
    _check_folder(out)
    new = out / _NEW_PLAN
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        lists, left_aside = write_units(inputs, new)
        content = _describe(lists, left_aside, settings, part_size)
        if (out / _PLAN).exists():
            former = json.loads((out / _PLAN / "plan.json").read_text(encoding="utf-8"))
            if "segment" in settings and "segment" not in former["settings"]:
                # It was begun before there were segments, and is continued without.
                former["settings"]["segment"] = content["settings"]["segment"] = 0
            _check_same(former, content, out)
            content = former
        else:
            content["units"]["video"]["segments"] = list_segmented(lists["video"].path, segment)
            write_atomically(new / "plan.json", json.dumps(content, indent=1))
            new.rename(out / _PLAN)
    except OSError as error:
        raise OutputError(
            f"The output folder must be writable. Received: {show_path(out)} ({error.strerror or error})."
            " Remedy: choose another folder, or check its permissions and the free space."
        ) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return _build_plan(out, content)


def _check_folder(out: Path) -> None:
    """Check that an output folder is new, empty or a batch's, so that no other file is among the parts."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"The output must be a folder. Received: {show_path(out)}, a file. Remedy: name another.")
    known = {_PLAN, _NEW_PLAN, "batch.lock"}
    others = [] if (out / _PLAN).exists() else [path.name for path in out.glob("*") if path.name not in known]
    if others:
        raise OutputError(
            f"The output folder must be new, empty or that of a batch. Received: {show_path(out)}, which holds"
            f" {shorten(others[0])}. Remedy: name another folder."
        )


def _describe(
    lists: Mapping[Kind, UnitList], left_aside: str, settings: Mapping[str, Any], part_size: int | None
) -> dict[str, Any]:
    """Return the content of ``plan.json``."""
    sizes = {"image": part_size or _choose_part_size(lists["image"].count), "video": 1}
    repeats = sum(units.repeats for units in lists.values())
    notes = [left_aside] if left_aside else []
    if repeats:
        notes.append(f"Dropped: {format_count(repeats, 'repeat')} of a path.")
    return {
        "version": _VERSION,
        "settings": dict(settings),
        "units": {
            kind: {
                "sha256": units.digest,
                "count": units.count,
                "part_size": sizes[kind],
                "offsets": find_offsets(units.path, sizes[kind]),
            }
            for kind, units in lists.items()
        },
        "notes": notes,
    }


def _choose_part_size(num_images: int) -> int:
    return min(LARGEST_PART, max(_SMALLEST_PART, -(-num_images // _PARTS_OF_A_SMALL_BATCH)))


def _check_same(former: Mapping[str, Any], now: Mapping[str, Any], out: Path) -> None:
    """Check that a plan is for the same inputs and settings as the one that was just made."""
    differences = [
        f"{name} {shorten(now['settings'].get(name))} instead of {shorten(former['settings'].get(name))}"
        for name in sorted({*now["settings"], *former["settings"]})
        if now["settings"].get(name) != former["settings"].get(name)
    ]
    for kind in KINDS:
        units, before = now["units"][kind], former["units"][kind]
        if units["sha256"] != before["sha256"]:
            differences.append(f"other {kind}s ({units['count']}, before {before['count']})")
        elif units["part_size"] != before["part_size"]:
            differences.append(f"parts of {units['part_size']} instead of {before['part_size']}")
    if now["version"] != former["version"]:
        differences.append("another version of the plan")
    if differences:
        raise SettingsError(
            f"A batch is continued with the inputs and settings it began with. Received: {'; '.join(differences)}, in"
            f" {show_path(out)}. Remedy: give those, or name another output folder."
        )


def _build_plan(out: Path, content: Mapping[str, Any]) -> Plan:
    counts: dict[Kind, int] = {kind: content["units"][kind]["count"] for kind in KINDS}
    shards = tuple(shard for kind in KINDS for shard in _list_shards(kind, content["units"][kind]))
    return Plan(out, content["settings"], counts, shards, tuple(content["notes"]))


def _list_shards(kind: Kind, units: Mapping[str, Any]) -> Iterator[Shard]:
    size, count, segmented = units["part_size"], units["count"], dict(units.get("segments", []))
    for number, offset in enumerate(units["offsets"]):
        yield Shard(kind, number, offset, min(size, count - number * size), segmented.get(number, 1))
