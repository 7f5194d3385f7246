"""Degradations of a face's pixels, shared by the augmentation of training faces and the robustness report.

A face is float32 (S, S), grey 0..255. Functions return a new face of the same shape, which may leave that range: clip
it at the end (:func:`to_pixels`).
"""

import cv2
import numpy as np

#: Radius of the head, in sides of a face, where a turned head is drawn as an upright cylinder.
_HEAD_RADIUS = 0.55
#: How far the crop follows the middle of a turned face: YuNet's box moves by 0.59 to 0.65 of it, at 10 to 50 degrees.
_FOLLOWED = 0.6


def blur(face: np.ndarray, sigma: float) -> np.ndarray:
    """Return a face under a Gaussian blur with a standard deviation in pixels."""
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))


def blur_motion(face: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Return a face averaged along a line, as if it had moved.

    Args:
        face: float32 (S, S).
        length: of the line, in pixels.
        angle: of the line, in degrees.
    """
    reach = int(np.ceil(length / 2)) + 1
    radians, kernel = np.deg2rad(angle), np.zeros((2 * reach + 1,) * 2, np.float32)
    # Points on the line at a tenth of a pixel; each is shared by the four pixels around it.
    steps = np.linspace(-length / 2, length / 2, 1 + round(10 * length))
    x, y = reach + steps * np.cos(radians), reach + steps * np.sin(radians)
    columns, rows = x.astype(int), y.astype(int)
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weights = np.abs(1 - right - (x - columns)) * np.abs(1 - down - (y - rows))
        np.add.at(kernel, (rows + down, columns + right), weights)
    return np.asarray(cv2.filter2D(face, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101))


def reduce_resolution(face: np.ndarray, side: int) -> np.ndarray:
    """Return a face reduced to a side in pixels and enlarged again."""
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, face.shape[::-1]))


def compress(face: np.ndarray, quality: int) -> np.ndarray:
    """Return a face after JPEG compression with a quality of 1 to 100."""
    _, content = cv2.imencode(".jpg", to_pixels(face), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.float32)


def apply_gamma(faces: np.ndarray, gamma: float | np.ndarray) -> np.ndarray:
    """Return faces with each grey value, as a share of 255, raised to a power: above 1 darkens.

    Args:
        faces: float32 (..., S, S).
        gamma: one number, or float32 that broadcasts against the faces.
    """
    return np.asarray(255.0 * (faces / 255.0) ** gamma)


def add_light(faces: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Return faces under light from a side: a linear ramp that is 0 in the middle.

    Args:
        faces: float32 (..., S, S).
        light: float32 (..., 2), the difference of grey levels across the face along x and y.
    """
    ramp = np.linspace(-0.5, 0.5, faces.shape[-1], dtype=np.float32)
    return np.asarray(faces + (light[..., 0, None, None] * ramp + light[..., 1, None, None] * ramp[:, None]))


def change_contrast(face: np.ndarray, factor: float) -> np.ndarray:
    """Return a face whose differences from its mean grey are multiplied by a factor."""
    mean = face.mean()
    return np.asarray((face - mean) * np.float32(factor) + mean)


def occlude(face: np.ndarray, box: np.ndarray, grey: float, *, is_ellipse: bool) -> np.ndarray:
    """Return a face that is covered by a bar or an ellipse of one grey level.

    Args:
        face: float32 (S, S).
        box: x, y, width and height as shares of the side, float (4,).
        grey: grey level.
        is_ellipse: cover the ellipse within the box instead of the box.
    """
    covered = face.copy()
    x, y, width, height = (box * face.shape[0]).tolist()
    if is_ellipse:
        centre, axes = (round(x + width / 2), round(y + height / 2)), (round(width / 2), round(height / 2))
        cv2.ellipse(covered, centre, axes, 0.0, 0.0, 360.0, grey, thickness=cv2.FILLED)
    else:
        corners = (round(x), round(y)), (round(x + width), round(y + height))
        cv2.rectangle(covered, *corners, grey, thickness=cv2.FILLED)
    return covered


def move(
    face: np.ndarray, *, angle: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0, 0)
) -> np.ndarray:
    """Return a face that is rotated and scaled about its centre, then shifted; its border is repeated outwards.

    Args:
        face: float32 (S, S).
        angle: in degrees, counter-clockwise.
        scale: relative size; above 1 is a tighter crop.
        shift: along x and y, in pixels.
    """
    centre = (face.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), angle, scale)
    matrix[:, 2] += np.asarray(shift)
    return np.asarray(cv2.warpAffine(face, matrix, face.shape[::-1], borderMode=cv2.BORDER_REPLICATE))


def turn(face: np.ndarray, yaw: float) -> np.ndarray:
    """Return a face turned to a side, drawn on an upright cylinder: its near half widens and its far half narrows.

    The crop follows the face as a detector's box does. The nose does not stand out and nothing new comes into view, so
    this is milder than a real turn by the same angle.

    Args:
        face: float32 (S, S).
        yaw: in degrees; above 0 turns the face to the right of the image.
    """
    side = face.shape[0]
    radius, centre, turned = _HEAD_RADIUS * side, (side - 1) / 2, np.deg2rad(yaw)
    positions = (np.arange(side) - centre) / radius + _FOLLOWED * np.sin(turned)
    # Beyond the edge of the cylinder there is nothing to see: the edge is repeated.
    longitude = np.arcsin(np.clip(positions, -1.0, 1.0)) - turned
    columns = centre + radius * np.sin(np.clip(longitude, -np.pi / 2, np.pi / 2))
    map_x, map_y = np.meshgrid(columns.astype(np.float32), np.arange(side, dtype=np.float32))
    return np.asarray(cv2.remap(face, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def to_pixels(faces: np.ndarray) -> np.ndarray:
    """Return faces rounded and clipped to uint8, 0..255."""
    pixels: np.ndarray = np.clip(np.rint(faces), 0, 255).astype(np.uint8)
    return pixels
