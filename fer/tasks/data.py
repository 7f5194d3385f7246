"""Tasks of data sets."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    word="source",
    help={
        "source": "fer2013.csv, icml_face_data.csv (also packed), a folder or .zip of images, kaggle:<owner>/<name>;"
        " without it: drawn faces",
        "name": "name of the prepared data set (default: the source's, or sample)",
        "votes": "FER+ votes (default: fer2013new.csv beside the table)",
        "mapping": "JSON file that maps folder names to expressions (null: leave out), or rafdb, affectnet, fer2013",
        "detect": "the images are whole photos: detect, align and crop every face",
        "group-by": "images that stay in one split when splits are drawn: those of one folder (default, if persons have"
        " folders), of one name, or none",
        "skip-bad": "skip bad rows and list them, instead of writing nothing",
        "allow-download": "allow downloads for a source on Kaggle",
        "overwrite": "replace another data set of this name",
        "seed": "seed of all random draws",
    },
)
def preprocess(
    c: Context,
    source: str | None = None,
    name: str | None = None,
    votes: str | None = None,
    mapping: str | None = None,
    detect: bool = False,
    group_by: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    overwrite: bool = False,
    seed: int = 0,
) -> None:
    """Read a data set, check every row, find duplicates across its splits and write data/<name>.npz."""


@fer_task(
    help={
        "out": "folder to write, new or empty (default: build/lit)",
        "data": "name of the prepared data set whose validation faces are shown",
        "train": "number of training photos",
        "test": "number of test photos",
        "seed": "seed of the choice of faces, the light and the photos",
    }
)
def relight(
    c: Context, out: str = "build/lit", data: str = "fer2013", train: int = 100, test: int = 700, seed: int = 0
) -> None:
    """Write validation faces as photos lit from one side, a set to try fine-tuning on."""
