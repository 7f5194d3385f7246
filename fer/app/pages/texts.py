"""What the web app says on its page, in English."""

from fer.app.video_jobs import MAX_BYTES, MAX_PIXELS, MAX_SECONDS
from fer.vision.decoding import FORMATS
from fer.vision.decoding import MAX_BYTES as MAX_PHOTO_BYTES
from fer.vision.decoding import MAX_PIXELS as MAX_PHOTO_PIXELS

TITLE = "FER-DL: facial expressions"
HEAD = (
    "<h1>FER-DL: the expression a face shows</h1><p>A small network finds faces and names the expression each one shows,"
    " with a calibrated confidence, and says when it is not sure. It sees an expression, not a feeling.</p>"
)
FOOT = (
    "<p><b>Privacy.</b> Pictures are analyzed on this server and go nowhere else. Camera frames are never written to disk."
    " Uploaded files and results are deleted when you close the page, at the latest 15 minutes after your last request.</p>"
    "<p><b>Limits.</b> Trained on posed, frontal web photos with noisy labels; see the Model tab. Do not use it to judge"
    " or decide about people: in the European Union, inferring emotions at work and in education is forbidden.</p>"
)
LIVE_HINT = "Allow the camera and press Record. Everyone in view gets a card here."
PHOTO_HINT = "Upload, paste or take a photo, or choose an example. Every face gets a card here."
PHOTO_CAPS = f"{', '.join(FORMATS)}, up to {MAX_PHOTO_BYTES // 2**20} MB and {MAX_PHOTO_PIXELS / 1e6:.0f} megapixels."
VIDEO_HINT = "Upload a video and press Analyze."
#: What is said before a video is uploaded.
VIDEO_CAPS = (
    f"Up to {MAX_BYTES // 2**20} MB and {MAX_SECONDS / 60:.0f} minutes, frames up to {MAX_PIXELS / 1e6:.1f} megapixels"
    " (4K); a longer video is read up to there. mp4 with H.264 is the safest choice."
)
EXPLAIN_LABEL = "Activation maps: where each answer comes from"
LOADING_TEXT = "The network is being loaded; this takes a few seconds."
