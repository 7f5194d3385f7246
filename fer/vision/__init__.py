"""Images and videos: safe decoding, face detection, alignment, tracking and annotation."""
