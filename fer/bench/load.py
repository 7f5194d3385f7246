"""The web app under load and after faults: what is answered, and what is left of memory and files."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from fer.bench.api_clients import ApiClient, describe_clients, open_upload, run_together, send_together
from fer.bench.server import Server, serve_app
from fer.bench.videos import VIDEO_RATE, write_moving_video
from fer.bench.viewers import ViewerReport, watch_together

#: MB that the memory may lie above the start once the clients have left.
GOAL_GROWTH = 100.0
_CLIENTS = 32
_SLOW_UPLOADS = 16
_VIEWERS = 8
#: Seconds within which the files of clients that have left are removed.
_REMOVED_WITHIN = 10.0
#: A server takes a folder for a leftover from this age, in seconds.
_LEFTOVER_AGE = 11.0


def measure_clients(server: Server, photo: bytes, seconds: float) -> str:
    """Let 32 clients send one photo again and again, and return a line with their answers and the memory afterwards.

    Args:
        server: the running app.
        photo: content of an image file that shows a face.
        seconds: how long they send, and how long the server then rests.
    """
    before = server.read_memory()
    line = f"{_CLIENTS} clients for {seconds:.0f} s: " + describe_clients(
        send_together(server.url, photo, _CLIENTS, seconds)
    )
    peak = server.read_memory()
    time.sleep(seconds)
    after = server.read_memory()
    if before is None or peak is None or after is None:
        return line
    return (
        f"{line}, memory {before:.0f} MB before, {peak:.0f} MB at the end and {after:.0f} MB {seconds:.0f} s later"
        f" (goal: at most {before + GOAL_GROWTH:.0f} MB)"
    )


def measure_uploads(server: Server, folder: Path, photo: bytes, count: int) -> str:
    """Send a photo many times in a row, and return a line with the answers and the files left.

    Args:
        server: the running app.
        folder: its temporary folder.
        photo: content of an image file.
        count: number of uploads.
    """
    errors, started = 0, time.monotonic()
    with ApiClient(server.url) as client:
        for number in range(count):
            try:
                client.analyze("analyze_image", f"photo {number}.jpg", photo)
            except (httpx.HTTPError, ValueError, KeyError):
                errors += 1
    rate = count / (time.monotonic() - started)
    return f"{count} uploads in a row: {errors} errors, {rate:.1f} answers/s, {count_left(folder)} files left"


def measure_videos(server: Server, folder: Path, frame: np.ndarray, seconds: float) -> str:
    """Send two videos while eight viewers watch, and return a line with the answers of all.

    Args:
        server: the running app.
        folder: its temporary folder, for the video too.
        frame: uint8 (H, W, 3), RGB, what the viewers' cameras show.
        seconds: how long the viewers watch; the videos are a sixth as long.
    """
    path, frames = folder / "bench.mp4", max(5, round(seconds / 6 * VIDEO_RATE))
    write_moving_video(path, frames)
    content, answered, errors, reports = path.read_bytes(), [], [], list[ViewerReport]()
    path.unlink()
    started = time.monotonic()

    def send() -> None:
        try:
            with ApiClient(server.url) as client:
                answered.append(len(client.analyze("analyze_video", "bench.mp4", content, 1)["frames"]))
        except (httpx.HTTPError, ValueError, KeyError) as error:
            errors.append(f"{type(error).__name__}: {error}")
        ended.append(time.monotonic() - started)

    ended: list[float] = []
    run_together([send, send, lambda: reports.extend(watch_together(server.url, frame, _VIEWERS, seconds))])
    errors += [error for report in reports for error in report.errors]
    rates = [len(report.seconds) / seconds for report in reports]
    return (
        f"2 videos of {frames} frames and {_VIEWERS} viewers at once: {sum(answered)} frames answered in"
        f" {max(ended):.0f} s, {min(rates):.1f} to {max(rates):.1f} frames/s for each viewer, {len(errors)} errors,"
        f" {sum(report.mismatched for report in reports)} mismatched frames, {count_left(folder)} files left"
    )


def measure_slow_uploads(server: Server, folder: Path, photo: bytes) -> str:
    """Begin sixteen uploads that never end, and return a line with the time of another client's answer meanwhile.

    Args:
        server: the running app.
        folder: its temporary folder.
        photo: content of an image file.
    """
    with ApiClient(server.url) as client, ExitStack() as uploads:
        alone = _time_answer(client, photo)
        for _ in range(_SLOW_UPLOADS):
            uploads.enter_context(open_upload(server.url)).sendall(b"0" * 1000)
        meanwhile = _time_answer(client, photo)
    return (
        f"{_SLOW_UPLOADS} slow uploads: another client's answer takes {meanwhile:.2f} s ({alone:.2f} s without them),"
        f" {count_left(folder)} files left after they break off"
    )


def measure_restart(folder: Path, photo: bytes) -> str:
    """Kill an app that holds an upload, start the next one, and return a line with the files left by the first.

    Args:
        folder: the temporary folder of both.
        photo: content of an image file.
    """
    with serve_app(environment={"TMPDIR": str(folder)}) as server, ApiClient(server.url) as client:
        client.upload("photo.jpg", photo)
        time.sleep(max(0.0, server.started + server.start_seconds + _LEFTOVER_AGE - time.monotonic()))
        server.process.kill()
        server.process.wait()
    killed = len(list_left(folder))
    with serve_app(environment={"TMPDIR": str(folder)}):
        left = len(list_left(folder))
    return f"killed and started again: {killed} files left by the killed server, {left} after the start"


def list_left(folder: Path) -> list[Path]:
    """Return the files of visitors below a temporary folder: all but the examples and the locks."""
    # Unlike a recursive pattern, a walk goes on when a folder is removed meanwhile.
    files = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
    return sorted(path for path in files if "examples" not in path.parts and path.name != "lock")


def count_left(folder: Path) -> int:
    """Return the number of visitors' files that are left some seconds after they have gone."""
    end = time.monotonic() + _REMOVED_WITHIN
    while list_left(folder) and time.monotonic() < end:
        time.sleep(0.1)
    return len(list_left(folder))


def _time_answer(client: ApiClient, photo: bytes) -> float:
    started = time.monotonic()
    client.analyze("analyze_image", "photo.jpg", photo)
    return time.monotonic() - started
