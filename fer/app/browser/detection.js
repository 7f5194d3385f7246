// Face detection with YuNet, as fer.vision.yunet does it at one scale.
// Reference: OpenCV, modules/objdetect/src/face_detect.cpp.
import { resizeBy } from "./images.js";

const STRIDES = [8, 16, 32];

/** Return the faces of an image, best score first: {box: [x_min, y_min, x_max, y_max], score, landmarks: [[x, y] × 5]}. */
export async function detectFaces(session, image, settings, maxSide, createTensor) {
  const longer = Math.max(image.width, image.height);
  const scale = longer < settings.smallestSide ? settings.smallestSide / longer : Math.min(1, maxSide / longer);
  const input = prepareInput(scale === 1 ? image : resizeBy(image, scale), settings.narrowestSide);
  const shape = [1, 3, input.height, input.width];
  const outputs = await session.run({ input: createTensor(input.values, shape) });
  return mergeDetections(decode(outputs, input, settings.scoreThreshold), settings.mergeOverlap).map((face) => ({
    score: face.score,
    box: face.box.map((value) => value / scale),
    landmarks: face.landmarks.map((point) => point.map((value) => value / scale)),
  }));
}

/** Pad an image with black on the right and below to multiples of 32, in the order blue, green, red. */
function prepareInput(image, narrowest) {
  const [width, height] = [image.width, image.height].map((side) => 32 * Math.ceil(Math.max(side, narrowest) / 32));
  const values = new Float32Array(3 * width * height);
  [2, 1, 0].forEach((channel, index) => {
    for (let y = 0; y < image.height; y++) {
      const row = image.planes[channel].subarray(y * image.width, (y + 1) * image.width);
      values.set(row, (index * height + y) * width);
    }
  });
  return { values, width, height };
}

function decode(outputs, { width, height }, threshold) {
  const faces = [];
  for (const stride of STRIDES) {
    const [classes, objects, boxes, points] = ["cls", "obj", "bbox", "kps"].map((name) => outputs[`${name}_${stride}`].data);
    const [columns, rows] = [width / stride, height / stride];
    for (let cell = 0; cell < columns * rows; cell++) {
      const score = Math.sqrt(clamp(classes[cell]) * clamp(objects[cell]));
      if (score < threshold) continue;
      const [column, row] = [cell % columns, Math.floor(cell / columns)];
      const [x, y] = [(column + boxes[4 * cell]) * stride, (row + boxes[4 * cell + 1]) * stride];
      const [halfWidth, halfHeight] = [2, 3].map((index) => (Math.exp(boxes[4 * cell + index]) * stride) / 2);
      const landmarks = [0, 1, 2, 3, 4].map((index) => [
        (points[10 * cell + 2 * index] + column) * stride,
        (points[10 * cell + 2 * index + 1] + row) * stride,
      ]);
      faces.push({ score, box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], landmarks });
    }
  }
  return faces;
}

function mergeDetections(faces, mergeOverlap) {
  const kept = [];
  for (const face of faces.sort((a, b) => b.score - a.score)) {
    if (kept.every((better) => computeIou(face.box, better.box) <= mergeOverlap)) kept.push(face);
  }
  return kept;
}

/** Return the intersection over union of two boxes. */
export function computeIou(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height);
}

function clamp(value) {
  return Math.min(Math.max(value, 0), 1);
}
