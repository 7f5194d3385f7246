// The networks, in a thread of their own so that the page stays responsive.
import * as ort from "./ort/ort.wasm.min.mjs";
import { cropViews } from "./alignment.js";
import { detectFaces } from "./detection.js";
import { computeGrey, splitPlanes } from "./images.js";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
// Several threads need headers that a static Space does not send.
ort.env.wasm.numThreads = 1;

const createTensor = (values, shape) => new ort.Tensor("float32", values, shape);
let settings, detector, classifier;

/** Return the faces of an image with their probabilities, in the order of settings.expressions. */
async function analyze({ pixels, maxSide, severalViews }) {
  const image = splitPlanes(pixels);
  const faces = await detectFaces(detector, image, settings, maxSide, createTensor);
  if (!faces.length) return [];
  const grey = computeGrey(image);
  const views = faces.flatMap((face) => cropViews(grey, image, face, settings, severalViews));
  const values = new Float32Array(views.length * settings.faceSize ** 2);
  views.forEach((view, index) => values.set(view, index * view.length));
  const shape = [views.length, settings.faceSize, settings.faceSize, 1];
  const { probabilities } = await classifier.run({ faces: createTensor(values, shape) });
  const numViews = views.length / faces.length;
  return faces.map((face, index) => ({ ...face, probabilities: averageViews(probabilities, index * numViews, numViews) }));
}

function averageViews({ data, dims: [, numClasses] }, first, numViews) {
  return Array.from({ length: numClasses }, (_, label) => {
    let sum = 0;
    for (let view = first; view < first + numViews; view++) sum += data[view * numClasses + label];
    return sum / numViews;
  });
}

const commands = {
  async load(message) {
    settings = message.settings;
    [detector, classifier] = await Promise.all([settings.detector, settings.classifier].map((file) => ort.InferenceSession.create(file)));
    await classifier.run({ faces: createTensor(new Float32Array(settings.faceSize ** 2), [1, settings.faceSize, settings.faceSize, 1]) });
  },
  analyze,
};

onmessage = async ({ data: { id, command, message } }) => {
  try {
    postMessage({ id, result: await commands[command](message) });
  } catch (error) {
    postMessage({ id, error: String(error) });
  }
};
