"""Tasks of images and videos."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    word="input",
    help={
        "input": "an image, a folder or a glob pattern; may be repeated",
        "out": "the table: .csv, .xlsx, .json or .parquet",
        "annotate": "folder for annotated copies, with boxes and labels",
        "explain": "also write the activation map of each face to that folder",
        "whole-image": "every image is one face already: no detection",
        "resume": "continue an interrupted run",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    },
    iterable=["input"],
)
def predict(
    c: Context,
    input: list[str],
    out: str = "predictions.csv",
    annotate: str | None = None,
    explain: bool = False,
    whole_image: bool = False,
    resume: bool = False,
    run: str | None = None,
    quiet: bool = False,
) -> None:
    """Find the faces in images and write one table of their expressions."""


@fer_task(
    word="input",
    help={
        "input": "a video, a camera's number, a folder of videos or of images, a pattern, or an address;"
        " may be repeated",
        "csv": "table with one row per frame and face (default without --annotated and --plot: beside the video)",
        "annotated": "annotated copy, .mp4; a folder for several videos",
        "plot": "plot of each person's expressions over time, .png; a folder for several videos",
        "baseline": "a time range in which faces are at rest, such as 0:00-0:05, or a photo of a neutral face:"
        " the table also gets predictions relative to the resting face",
        "every": "analyze only frames whose index is a multiple of this",
        "max-side": "longer side in pixels of the copy that is searched for faces (default: 640)",
        "fps": "frames per second of a folder or pattern of images (default: 25)",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    },
    iterable=["input"],
)
def video(
    c: Context,
    input: list[str],
    csv: str | None = None,
    annotated: str | None = None,
    plot: str | None = None,
    baseline: str | None = None,
    every: int = 1,
    max_side: int = 640,
    fps: int | None = None,
    run: str | None = None,
    quiet: bool = False,
) -> None:
    """Follow each person's expression through a video or a camera stream."""


@fer_task(
    word="input",
    help={
        "input": "a manifest (a CSV table with a column path, image or video), a folder, a pattern, a file, or an"
        " address such as s3://bucket/photos/; may be repeated",
        "out": "output folder for the parts and summary.json; an unfinished batch in it is continued",
        "workers": "number of processes, each with one network and one thread (default: one for each core)",
        "engine": "local, or ray for Ray Data on this machine or the cluster that RAY_ADDRESS names",
        "whole-image": "every image is one face already: no detection",
        "every": "analyze only frames of videos whose index is a multiple of this",
        "max-side": "longer side in pixels of the copy of a frame that is searched for faces (default: 640)",
        "segment": "analyze longer videos in segments of this many seconds, which workers share; 0 to never split"
        " a video (default: 600)",
        "timeout": "seconds that an image, or a frame of a video, may take; 0 for no limit (default: 1800)",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    },
    iterable=["input"],
)
def batch(
    c: Context,
    input: list[str],
    out: str,
    workers: int | None = None,
    engine: str = "local",
    whole_image: bool = False,
    every: int = 1,
    max_side: int = 640,
    segment: int = 600,
    timeout: int = 1800,
    run: str | None = None,
    quiet: bool = False,
) -> None:
    """Analyze any number of images and videos with several processes, into Parquet parts."""
