"""Arithmetic of boxes: (x_min, y_min, x_max, y_max) in pixels, x_max and y_max excluded."""

Box = tuple[float, float, float, float]


def build_whole_box(image_shape: tuple[int, ...]) -> Box:
    """Return the box that covers an image.

    Args:
        image_shape: (H, W) or (H, W, C).
    """
    return 0.0, 0.0, float(image_shape[1]), float(image_shape[0])


def scale_box(box: Box, factor: float) -> Box:
    """Return a box in the pixels of an image that is resized by a factor."""
    x_min, y_min, x_max, y_max = box
    return x_min * factor, y_min * factor, x_max * factor, y_max * factor


def shift_box(box: Box, x: float, y: float) -> Box:
    """Return a box moved by x and y pixels."""
    x_min, y_min, x_max, y_max = box
    return x_min + x, y_min + y, x_max + x, y_max + y


def flip_box(box: Box, width: float) -> Box:
    """Return a box in the mirror image of an image that is ``width`` pixels wide."""
    x_min, y_min, x_max, y_max = box
    return width - x_max, y_min, width - x_min, y_max


def clip_box(box: Box, height: float, width: float) -> Box:
    """Return a box with its corners moved into an image of the given size in pixels."""
    x_min, y_min, x_max, y_max = box
    return _clip(x_min, width), _clip(y_min, height), _clip(x_max, width), _clip(y_max, height)


def compute_centre(box: Box) -> tuple[float, float]:
    """Return the (x, y) of a box's centre in pixels."""
    x_min, y_min, x_max, y_max = box
    return (x_min + x_max) / 2, (y_min + y_max) / 2


def compute_longer_side(box: Box) -> float:
    """Return the longer of a box's width and height in pixels."""
    x_min, y_min, x_max, y_max = box
    return max(x_max - x_min, y_max - y_min)


def compute_area(box: Box) -> float:
    """Return a box's area in square pixels."""
    x_min, y_min, x_max, y_max = box
    return (x_max - x_min) * (y_max - y_min)


def compute_shared_area(one: Box, other: Box) -> float:
    """Return the area of the intersection of two boxes in square pixels."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def compute_iou(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union, 0..1.

    Example:
        >>> compute_iou((0, 0, 2, 2), (1, 0, 2, 2))
        0.5
    """
    shared = compute_shared_area(one, other)
    return shared / (compute_area(one) + compute_area(other) - shared) if shared else 0.0


def compute_containment(inner: Box, outer: Box) -> float:
    """Return the share of the inner box, 0..1, that lies in the outer one."""
    shared = compute_shared_area(inner, outer)
    return shared / compute_area(inner) if shared else 0.0


def contains_point(box: Box, x: float, y: float) -> bool:
    """Return whether a point lies inside a box, not on its edge."""
    x_min, y_min, x_max, y_max = box
    return x_min < x < x_max and y_min < y < y_max


def _clip(value: float, limit: float) -> float:
    return float(min(max(value, 0.0), limit))
