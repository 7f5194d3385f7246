import base64

import numpy as np
import pytest

from fer.app.data_urls import decode_image_url, encode_data_url, encode_image_url
from fer.errors import ImageError
from fer.vision.images import decode_image


def test_a_png_url_keeps_every_pixel():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    url = encode_image_url(image, kind="PNG")
    assert url.startswith("data:image/png;base64,")
    np.testing.assert_array_equal(decode_image(decode_image_url(url)), image)


def test_a_jpeg_url_shrinks_with_the_quality():
    image = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    assert len(encode_image_url(image, quality=30)) < len(encode_image_url(image, quality=90))


def test_a_text_url_names_its_media_type():
    head, content = encode_data_url("é".encode(), "text/csv").split(",")
    assert head == "data:text/csv;base64"
    assert base64.b64decode(content).decode() == "é"


@pytest.mark.parametrize(
    "url",
    ["", "https://a.example/x.jpg", "data:text/html;base64,AAAA", "data:image/png;base64,?!", "file:///etc/passwd"],
)
def test_anything_but_an_image_url_is_refused(url):
    with pytest.raises(ImageError, match="data URL of an image"):
        decode_image_url(url)
