import numpy as np

from fer.vision.synthetic_photos import light_from_side


def test_a_hard_light_brightens_the_left_and_darkens_the_right():
    face = np.full((48, 48), 100, np.uint8)
    lit = light_from_side(face, np.random.default_rng(0))
    assert lit.dtype == np.uint8
    assert (lit[:, :8] > 180).all()
    assert (lit[:, -8:] < 25).all()
