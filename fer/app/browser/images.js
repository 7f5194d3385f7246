// Images in three planes of floats, as the networks take them: {width, height, planes: [red, green, blue]}.

/** Split the pixels of a canvas (RGBA, 0..255) into planes. */
export function splitPlanes({ data, width, height }) {
  const planes = [0, 1, 2].map(() => new Float32Array(width * height));
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) planes[channel][pixel] = data[4 * pixel + channel];
  }
  return { width, height, planes };
}

/** Return an image resized by a factor, in whole grey levels: area-averaged if it shrinks, else linearly interpolated. */
export function resizeBy(image, factor) {
  const width = Math.max(1, Math.round(image.width * factor));
  const height = Math.max(1, Math.round(image.height * factor));
  const columns = computeWeights(image.width, width);
  const rows = computeWeights(image.height, height);
  const planes = image.planes.map((plane) => {
    const narrow = new Float32Array(width * image.height);
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (const [source, weight] of columns[x]) sum += weight * plane[y * image.width + source];
        narrow[y * width + x] = sum;
      }
    }
    const small = new Float32Array(width * height);
    for (let y = 0; y < height; y++) {
      for (const [source, weight] of rows[y]) {
        for (let x = 0; x < width; x++) small[y * width + x] += weight * narrow[source * width + x];
      }
    }
    return small.map(Math.round);
  });
  return { width, height, planes };
}

/** Return [source, weight] pairs for each of `to` positions along one axis of `from` positions. */
function computeWeights(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, position) => {
    if (scale <= 1) {
      const centre = Math.min(Math.max((position + 0.5) * scale - 0.5, 0), from - 1);
      const first = Math.floor(centre);
      const share = centre - first;
      return [[first, 1 - share], [Math.min(first + 1, from - 1), share]];
    }
    const [start, end] = [position * scale, Math.min((position + 1) * scale, from)];
    const pairs = [];
    for (let source = Math.floor(start); source < end; source++) {
      const overlap = Math.min(end, source + 1) - Math.max(start, source);
      if (overlap > 1e-6) pairs.push([source, overlap / (end - start)]);
    }
    return pairs;
  });
}

/** Return the grey levels of an image by the ITU-R BT.601 weights. */
export function computeGrey({ planes: [red, green, blue] }) {
  return red.map((value, pixel) => 0.299 * value + 0.587 * green[pixel] + 0.114 * blue[pixel]);
}
