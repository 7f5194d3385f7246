from itertools import pairwise

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from fer.vision.boxes import compute_longer_side, contains_point
from fer.vision.detection import Detection
from fer.vision.small_faces import (
    LARGEST_IN_TILES,
    TILE_OVERLAP,
    TILE_SIDE,
    find_candidates,
    is_confirmed,
    place_tiles,
    search_enlarged,
    search_tiles,
)
from fer.vision.yunet import DEFAULT_SIDE, YuNet, YuNetDetector

#: Height of the face in the astronaut's portrait.
PORTRAIT_FACE = 113
BOX = (40.0, 40.0, 60.0, 60.0)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def portrait(astronaut) -> np.ndarray:
    return astronaut[20:220, 120:320]


def place_portraits(portrait: np.ndarray, face_size: int, shape: tuple[int, int], corners) -> np.ndarray:
    """A grey photo with a portrait, its face of the given size in pixels, at each (x, y)."""
    factor = face_size / PORTRAIT_FACE
    small = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    photo = np.full((*shape, 3), 128, np.uint8)
    for x, y in corners:
        photo[y : y + small.shape[0], x : x + small.shape[1]] = small
    return photo


def count_hits(faces: list[Detection], points: list[tuple[float, float]]) -> int:
    """The number of points that lie inside a box."""
    return sum(any(contains_point(face.box, x, y) for face in faces) for x, y in points)


def test_faces_of_24_pixels_in_4000_are_detected_once_each(portrait):
    # Two of them lie across the edges of the tiles.
    seam = place_tiles(4000)[1]
    corners = [(40, 50), (seam - 20, 700), (seam + 5, 1500), (2000, 1480), (3900, 2900), (3300, 90)]
    faces = YuNetDetector().detect(place_portraits(portrait, 24, (3000, 4000), corners))
    assert len(faces) == len(corners)
    assert count_hits(faces, [(x + 22, y + 21) for x, y in corners]) == len(corners)


def test_a_false_face_in_a_tile_is_not_confirmed(astronaut):
    """Enlarged eight times, a fold of the suit looks like a face of 80 pixels in a tile, not in its surroundings."""
    large = cv2.resize(astronaut, (4000, 4000), interpolation=cv2.INTER_LINEAR)
    candidates = find_candidates(YuNet().search, large)
    assert any(compute_longer_side(face.box) <= LARGEST_IN_TILES * 4000 / DEFAULT_SIDE for face in candidates)
    assert search_tiles(YuNet().search, large, DEFAULT_SIDE) == []


def test_a_small_photo_without_a_detection_is_searched_again_enlarged(portrait):
    photo = place_portraits(portrait, 14, (480, 640), [(300, 200)])
    assert YuNetDetector(small_faces=False).detect(photo) == []
    assert count_hits(YuNetDetector().detect(photo), [(300 + 12, 200 + 12)]) == 1


def search_with(*scores: float):
    """A search that finds one box with the given scores, as far as they reach the threshold."""
    return lambda image, threshold: [Detection(BOX, score) for score in scores if score >= threshold]


def scale_search(search, factor: float):
    """The same search in an image enlarged by a factor."""
    box = tuple(value * factor for value in BOX)
    return lambda image, threshold: [Detection(box, face.score) for face in search(image, threshold)]


@pytest.mark.parametrize(
    ("enlarged_score", "original_score", "count"),
    [(0.75, 0.0, 1), (0.6, 0.0, 0), (0.6, 0.35, 1), (0.6, 0.25, 0), (0.45, 0.35, 0)],
)
def test_a_low_score_in_an_enlarged_image_needs_a_detection_in_the_original(enlarged_score, original_score, count):
    image = np.zeros((100, 100, 3), np.uint8)
    faces = search_enlarged(scale_search(search_with(enlarged_score), 2), search_with(original_score), image)
    assert [face.box for face in faces] == [BOX] * count


@pytest.mark.parametrize(("score", "confirmed"), [(0.9, True), (0.8, False)])
def test_a_face_is_confirmed_by_a_high_score_only(score, confirmed):
    # The surroundings, from 20 to 80 pixels, are enlarged four times: the face lies from 80 to 160 pixels.
    face, image = Detection(BOX, 0.5), np.zeros((100, 100, 3), np.uint8)
    second = Detection((80.0, 80.0, 160.0, 160.0), score)
    assert is_confirmed(lambda part, threshold: [second] if score >= threshold else [], image, face) == confirmed


def test_a_face_elsewhere_does_not_confirm_a_candidate():
    face, image = Detection(BOX, 0.5), np.zeros((100, 100, 3), np.uint8)
    assert not is_confirmed(lambda part, threshold: [Detection((0.0, 0.0, 60.0, 60.0), 0.99)], image, face)


def test_faces_at_inner_edges_of_tiles_are_no_candidates():
    """A tile may cut them; the neighbouring tile shows them whole."""
    at_left_edge = Detection((1.0, 100.0, 30.0, 130.0), 0.9)
    image = np.zeros((TILE_SIDE, TILE_SIDE * 2, 3), np.uint8)
    candidates = list(find_candidates(lambda tile, threshold: [at_left_edge], image))
    assert [face.box for face in candidates] == [at_left_edge.box]


@given(st.integers(1, 9000))
def test_tiles_cover_a_side_and_overlap(length):
    starts = place_tiles(length)
    assert starts[0] == 0
    assert starts[-1] + TILE_SIDE >= length
    assert all(second - first <= TILE_SIDE - TILE_OVERLAP + 1 for first, second in pairwise(starts))
    assert all(start + TILE_SIDE <= length for start in starts if length > TILE_SIDE)
