"""Texts of the page."""

from fer.app.live import BASELINE_SECONDS
from fer.app.video_jobs import MAX_BYTES, MAX_PIXELS, MAX_SECONDS
from fer.vision.decoding import FORMATS
from fer.vision.decoding import MAX_BYTES as MAX_PHOTO_BYTES
from fer.vision.decoding import MAX_PIXELS as MAX_PHOTO_PIXELS

TITLE = "FER-DL: facial expressions"
HEAD = (
    "<h1>FER-DL: facial expressions</h1><p>A small network finds faces and names the expression of each one, with a"
    " calibrated confidence. Uncertain answers are marked. An expression is not a feeling.</p>"
)
FOOT = (
    "<p><b>Privacy.</b> Images and videos are analyzed on this server and sent nowhere else. Camera frames are never"
    " written to disk. Uploaded files and results are deleted when you close the page, at the latest 15 minutes after"
    " your last request.</p>"
    "<p><b>Limits.</b> The network was trained on posed, frontal photos from the web with noisy labels; see the Model"
    " tab. Do not use it to judge people or to make decisions about them: in the European Union, inferring emotions at"
    " work and in education is prohibited.</p>"
)
LIVE_HINT = "Allow the camera and press Start. Every person in view gets a card here; no frame is written to disk."
PHOTO_HINT = "This is an example. Upload, paste or take a photo of your own: every face gets a number and a card."
PHOTO_LIMITS = f"{', '.join(FORMATS)}, up to {MAX_PHOTO_BYTES // 2**20} MB and {MAX_PHOTO_PIXELS / 1e6:.0f} megapixels."
VIDEO_HINT = "Upload a video, or choose the example below, and press Analyze."
VIDEO_LIMITS = (
    f"Up to {MAX_BYTES // 2**20} MB and {MAX_SECONDS / 60:.0f} minutes, frames up to {MAX_PIXELS / 1e6:.1f} megapixels"
    " (4K); only the beginning of a longer video is analyzed. MP4 with H.264 is the safest choice."
)
EXPLAIN_LABEL = "Activation maps: which regions of the face support the answer"
NEUTRAL_LABEL = "This is my neutral face"
CLEAR_NEUTRAL_LABEL = "Forget my neutral face"
NEUTRAL_TEXT = f"Hold a neutral face for {BASELINE_SECONDS:.0f} s."
NEUTRAL_CLEARED_TEXT = "No neutral face is used."
NO_CAMERA_TEXT = "Start the camera first, then press the button."
ADDRESS_TEXT = "A file must be uploaded. Received: an address. Remedy: download the file, and upload it."
LOADING_TEXT = "The network is loading; this takes a few seconds."
MODEL_LOADING_TEXT = "The figures of the network are loading."
