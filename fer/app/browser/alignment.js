// Crops of faces in FER2013's frame, as fer.vision.alignment makes them.

/** Return the crops of a face that are averaged: one for a frame of a stream, four for a photo. */
export function cropViews(grey, image, face, settings, severalViews) {
  const views = severalViews ? settings.views : settings.views.slice(0, 1);
  return views.map(([scale, isMirrored]) => {
    const crop = cropFace(grey, image, face, settings, scale);
    return isMirrored ? mirror(crop, settings) : crop;
  });
}

/** Return one crop, grey levels 0..255 of faceSize × faceSize pixels; outside the image its border is repeated. */
function cropFace(grey, { width, height }, { box, landmarks }, { faceSize, frame, mostSamples }, scale) {
  const longer = Math.max(box[2] - box[0], box[3] - box[1]);
  const side = frame.side * scale * longer;
  const samples = Math.min(mostSamples, Math.max(1, Math.ceil(side / faceSize - 1e-6)));
  const angle = exceed(computeTilt(landmarks), (frame.keptTilt * Math.PI) / 180);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [offsetX, offsetY] = frame.offset;
  // The edges of a box lie between pixels, hence the half pixel.
  const centreX = (box[0] + box[2] - 1) / 2 + longer * (cos * offsetX - sin * offsetY);
  const centreY = (box[1] + box[3] - 1) / 2 + longer * (sin * offsetX + cos * offsetY);
  const step = side / (faceSize * samples);
  const middle = (faceSize * samples - 1) / 2;
  const crop = new Float32Array(faceSize * faceSize);
  for (let v = 0; v < faceSize * samples; v++) {
    for (let u = 0; u < faceSize * samples; u++) {
      const [across, down] = [(u - middle) * step, (v - middle) * step];
      const value = interpolate(grey, width, height, centreX + cos * across - sin * down, centreY + sin * across + cos * down);
      crop[Math.floor(v / samples) * faceSize + Math.floor(u / samples)] += value;
    }
  }
  return crop.map((sum) => Math.round(sum / samples ** 2));
}

/** Return the tilt of a head in radians, clockwise in the image, from eyes and mouth together. */
function computeTilt([leftEye, rightEye, , leftMouth, rightMouth]) {
  const across = [0, 1].map((axis) => rightEye[axis] - leftEye[axis] + rightMouth[axis] - leftMouth[axis]);
  return Math.atan2(across[1], across[0]);
}

function exceed(tilt, kept) {
  return Math.sign(tilt) * Math.max(0, Math.abs(tilt) - kept);
}

function interpolate(grey, width, height, x, y) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [x0, x1] = [left, left + 1].map((column) => Math.min(Math.max(column, 0), width - 1));
  const [y0, y1] = [top, top + 1].map((row) => Math.min(Math.max(row, 0), height - 1) * width);
  const [shareX, shareY] = [x - left, y - top];
  const upper = grey[y0 + x0] * (1 - shareX) + grey[y0 + x1] * shareX;
  const lower = grey[y1 + x0] * (1 - shareX) + grey[y1 + x1] * shareX;
  return upper * (1 - shareY) + lower * shareY;
}

function mirror(crop, { faceSize }) {
  return crop.map((_, index) => crop[index - (index % faceSize) + faceSize - 1 - (index % faceSize)]);
}
