"""Make the images of the documents: an annotated photo, the live tab, and a timeline of a video; and the app's film.

Usage:
    python docs/images/make.py            # all images, into docs/images/
    python docs/images/make.py timeline   # one of them
    python docs/images/make.py film       # the example of the app's video tab, into fer/app/

The photo is scikit-image's astronaut (NASA, public domain), and the video shows drawn people. Needs the
extra ``test``, and Chromium for the live tab.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

import fer
from fer.app.drawn_people import RATE, SCENE_SECONDS, SCENES, draw_film
from fer.app.examples import FILM
from fer.bench.app import open_live
from fer.bench.camera import FRAME_HEIGHT, FRAME_WIDTH
from fer.bench.chromium import open_chromium, write_camera_video
from fer.bench.server import serve_app
from fer.reports import process_video
from fer.vision.images import shrink_to
from fer.vision.video_writer import VideoWriter

FOLDER = Path(__file__).parent
#: Ends of the plot's time axis, as shares of its width.
AXIS = (0.05, 0.997)
MARGIN = 8
#: Seconds after which the curves of the live tab are full.
LIVE_SECONDS = 20.0
VIEWPORT = {"width": 1200, "height": 860}


def make_photo(path: Path) -> None:
    """Write the annotated photo."""
    photo = skimage.data.astronaut()
    save(fer.draw(photo, fer.Analyzer().analyze(photo)), path)


def make_timeline(path: Path) -> None:
    """Write the plot of ``invoke video --plot`` for a video of two drawn people, under a frame of each scene."""
    frames = list(draw_film())
    with tempfile.TemporaryDirectory() as folder:
        plot = Path(folder) / "timeline.png"
        process_video(FILM, plot=plot, name="two drawn people", progress=False)
        drawn, _ = shrink_to(np.asarray(Image.open(plot).convert("RGB")), 1100)
    save(np.vstack([build_strip(frames, drawn.shape[1]), drawn]), path, colors=128)


def build_strip(frames: list[np.ndarray], width: int) -> np.ndarray:
    """Return the last frame of each scene above its seconds on the axis of a plot, uint8 (H, width, 3)."""
    left, right = (round(share * width) for share in AXIS)
    side = (right - left) // len(SCENES)
    steps = round(SCENE_SECONDS * RATE)
    tiles = [shrink_to(frame, side)[0] for frame in frames[steps - 1 :: steps]]
    strip = np.full((tiles[0].shape[0] + 2 * MARGIN, width, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        start = left + index * side
        strip[MARGIN:-MARGIN, start : start + tile.shape[1]] = tile
    return strip


def make_film(path: Path) -> None:
    """Write the example of the app's video tab."""
    with VideoWriter(path, RATE) as writer:
        for frame in draw_film():
            writer.write(frame)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


def make_live(path: Path) -> None:
    """Write a screenshot of the live tab, whose camera moves over the astronaut."""
    photo = skimage.data.astronaut()
    with tempfile.TemporaryDirectory() as folder, serve_app() as server:
        server.warm_up(shrink_to(photo, FRAME_HEIGHT)[0])
        camera = write_camera_video(pan_camera(photo), Path(folder) / "camera.mjpeg")
        with open_chromium(camera) as browser:
            page = browser.new_context(permissions=["camera"], viewport=VIEWPORT).new_page()
            open_live(page, server.url)
            page.wait_for_timeout(LIVE_SECONDS * 1000)
            page.screenshot(path=str(Path(folder) / "live.png"))
        save(np.asarray(Image.open(Path(folder) / "live.png").convert("RGB")), path)


def pan_camera(photo: np.ndarray, count: int = 200) -> Iterator[np.ndarray]:
    """Yield camera frames, uint8 (480, 640, 3), that move over a photo, uint8 (512, 512, 3), and back."""
    for number in range(count):
        left = round(32 * (1 + np.sin(2 * np.pi * number / count)))
        view = Image.fromarray(photo[:336, left : left + 448])
        yield np.asarray(view.resize((FRAME_WIDTH, FRAME_HEIGHT), Image.Resampling.BICUBIC))


def save(image: np.ndarray, path: Path, *, colors: int = 256) -> None:
    """Write an image as WEBP, or as PNG with few colours."""
    if path.suffix == ".webp":
        Image.fromarray(image).save(path, quality=82, method=6)
    else:
        Image.fromarray(image).quantize(colors).save(path, optimize=True)
    print(f"{path.name}: {image.shape[1]}x{image.shape[0]}, {path.stat().st_size / 1024:.0f} KiB")


MAKERS = {"photo.webp": make_photo, "timeline.png": make_timeline, "live.webp": make_live}


def main() -> None:
    """Make the images that are named, or all."""
    parser = argparse.ArgumentParser(description="Make the images of the documents.")
    parser.add_argument("names", nargs="*", help=", ".join([*(Path(name).stem for name in MAKERS), "film"]))
    names = parser.parse_args().names
    if "film" in names:
        make_film(FILM)
    for name, make in MAKERS.items():
        if not names or Path(name).stem in names:
            make(FOLDER / name)


if __name__ == "__main__":
    main()
