"""Search for small faces: in overlapping tiles of a large image, or in a small image enlarged.

Every function takes a ``search``: it receives a uint8 RGB image (H, W, 3) and the lowest score to accept, 0..1, and
returns the faces in the image's pixels.
"""

from collections.abc import Callable, Iterator
from itertools import product

import cv2
import numpy as np

from fer.vision.boxes import Box, clip_box, compute_centre, compute_iou, compute_longer_side
from fer.vision.detection import Detection, merge_detections, scale_detection, shift_detection
from fer.vision.images import resize_by, shrink_to

Search = Callable[[np.ndarray, float], list[Detection]]

#: Longer side of the copy that is cut into tiles: a face of 24 pixels in 4000 is found, in about a second.
FINEST_SIDE = 4096
TILE_SIDE = 1024
#: Pixels that neighbouring tiles share: a face up to this size lies whole in at least one tile.
TILE_OVERLAP = 128
#: Longer side, in the copy that was searched before, of the largest face that tiles are searched for: a tile shows too
#: little around larger ones, and the search takes cheeks and folds of cloth for faces.
LARGEST_IN_TILES = 40.0
#: A face with a low score in a tile counts only if a second search, of its surroundings enlarged, gives it a high one.
_TILE_SCORE, _CONFIRMED_SCORE = 0.4, 0.85
#: The surroundings reach this many longer sides from the centre of the face, and are resized to this side in pixels.
_SURROUNDINGS_REACH, _SURROUNDINGS_SIDE = 1.5, 240
#: Pixels between a face in a tile and an inner edge of the tile; a face that is closer may be cut.
_TILE_MARGIN = 2
#: An image without a detection is enlarged this many times.
_ENLARGEMENT = 2
#: A face in an enlarged image counts with a high score, which excludes patterns in gravel and stars, or with a low one
#: if the original image has a low-scoring detection at the same position. Of 158 FER2013 faces that are missed in
#: photos of 640x480 this finds more than half.
_ENLARGED_SCORE = 0.7
_LOW_ENLARGED_SCORE, _LOW_SCORE = 0.5, 0.3
#: Least intersection over union of two detections of one face in two searches.
_SAME_FACE_OVERLAP = 0.4


def search_tiles(search: Search, image: np.ndarray, searched_side: int) -> list[Detection]:
    """Find the small faces of a large image near its full resolution.

    Args:
        search: as described at the head of the module.
        image: uint8 RGB (H, W, 3).
        searched_side: longer side, in pixels, of the copy that was searched before.

    Returns:
        Faces in the image's pixels, each confirmed by a second search.
    """
    fine, scale = shrink_to(image, FINEST_SIDE)
    largest = LARGEST_IN_TILES * max(fine.shape[:2]) / searched_side
    candidates = [face for face in find_candidates(search, fine) if compute_longer_side(face.box) <= largest]
    confirmed = [face for face in merge_detections(candidates) if is_confirmed(search, fine, face)]
    return [scale_detection(face, 1.0 / scale) for face in confirmed]


def search_enlarged(search: Search, search_copy: Search, image: np.ndarray) -> list[Detection]:
    """Find the small faces of an image by a search at twice its size.

    Args:
        search: as described at the head of the module; it searches the enlarged image.
        search_copy: the search that found no face in the image, repeated with a lower score.
        image: uint8 RGB (H, W, 3).

    Returns:
        Faces in the image's pixels.
    """
    enlarged = search(resize_by(image, _ENLARGEMENT), _LOW_ENLARGED_SCORE)
    faces = [scale_detection(face, 1.0 / _ENLARGEMENT) for face in enlarged]
    low = search_copy(image, _LOW_SCORE) if faces else []
    return [face for face in faces if face.score >= _ENLARGED_SCORE or _overlaps_any(face, low)]


def find_candidates(search: Search, image: np.ndarray) -> Iterator[Detection]:
    """Yield the faces that lie whole in a tile, with a low or a high score, in the image's pixels."""
    height, width = image.shape[:2]
    for top, left in product(place_tiles(height), place_tiles(width)):
        tile = image[top : top + TILE_SIDE, left : left + TILE_SIDE]
        for face in search(tile, _TILE_SCORE):
            if _is_whole(face.box, top, left, height, width):
                yield shift_detection(face, left, top)


def is_confirmed(search: Search, image: np.ndarray, face: Detection) -> bool:
    """Return whether a search of a face's surroundings, enlarged, finds the face with a high score.

    Args:
        search: as described at the head of the module.
        image: uint8 RGB (H, W, 3).
        face: a candidate, in the image's pixels.
    """
    part, left, top = _cut_surroundings(image, face.box)
    scale = _SURROUNDINGS_SIDE / max(part.shape[:2])
    resized = resize_by(part, scale)
    # At the edge of the image the part is no square; for every new input size OpenCV would plan the network anew.
    missing = (0, _SURROUNDINGS_SIDE - resized.shape[0], 0, _SURROUNDINGS_SIDE - resized.shape[1])
    square = cv2.copyMakeBorder(resized, *missing, cv2.BORDER_REPLICATE)
    detections = (scale_detection(detection, 1.0 / scale) for detection in search(square, _CONFIRMED_SCORE))
    return _overlaps_any(face, [shift_detection(detection, left, top) for detection in detections])


def place_tiles(length: int) -> list[int]:
    """Return the starts, in pixels, of overlapping tiles that cover a side of the given length."""
    if length <= TILE_SIDE:
        return [0]
    count = -(-(length - TILE_OVERLAP) // (TILE_SIDE - TILE_OVERLAP))
    return [round(start) for start in np.linspace(0, length - TILE_SIDE, count)]


def _is_whole(box: Box, top: int, left: int, height: int, width: int) -> bool:
    """Return whether a box, in a tile's pixels, is clear of the tile's inner edges, where faces are cut."""
    bottom, right = min(TILE_SIDE, height - top), min(TILE_SIDE, width - left)
    return (
        (left == 0 or box[0] > _TILE_MARGIN)
        and (top == 0 or box[1] > _TILE_MARGIN)
        and (left + right == width or box[2] < right - _TILE_MARGIN)
        and (top + bottom == height or box[3] < bottom - _TILE_MARGIN)
    )


def _overlaps_any(face: Detection, others: list[Detection]) -> bool:
    return any(compute_iou(other.box, face.box) > _SAME_FACE_OVERLAP for other in others)


def _cut_surroundings(image: np.ndarray, box: Box) -> tuple[np.ndarray, int, int]:
    """Return a face with its surroundings, and the left and top of that part in the image."""
    reach = _SURROUNDINGS_REACH * compute_longer_side(box)
    x, y = compute_centre(box)
    height, width = image.shape[:2]
    left, top, right, bottom = map(int, clip_box((x - reach, y - reach, x + reach, y + reach), height - 1, width - 1))
    return image[top : bottom + 1, left : right + 1], left, top
