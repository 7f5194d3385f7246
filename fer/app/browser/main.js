// The page: an example at first, then a photo or the camera.
import { drawImage, renderPeople } from "./drawing.js";
import { Tracker } from "./tracking.js";

const page = Object.fromEntries(["camera", "photo", "mirror", "canvas", "status", "people", "threshold"].map((id) => [id, document.getElementById(id)]));
const worker = new Worker("worker.js", { type: "module" });
const pending = new Map();
let settings, stream;

worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = pending.get(id);
  pending.delete(id);
  if (error) reject(new Error(error));
  else resolve(result);
};

function ask(command, message, transfer = []) {
  const id = crypto.randomUUID();
  worker.postMessage({ id, command, message }, transfer);
  return new Promise((resolve, reject) => pending.set(id, { resolve, reject }));
}

function say(text, isError = false) {
  page.status.textContent = text;
  page.status.classList.toggle("error", isError);
}

/** Return the faces of an image or video frame, with labels, in the pixels of the canvas. */
async function analyze(source, width, height, maxSide, severalViews) {
  const copy = new OffscreenCanvas(width, height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height);
  const faces = await ask("analyze", { pixels, maxSide, severalViews }, [pixels.data.buffer]);
  return { copy, faces };
}

/** Add the answer to a face with its probabilities. */
function answer(face) {
  const confidence = Math.max(...face.probabilities);
  const label = settings.expressions[face.probabilities.indexOf(confidence)];
  return { ...face, confidence, label, unsure: confidence < settings.uncertainBelow };
}

function show(source, faces, mirrored) {
  [page.canvas.width, page.canvas.height] = [source.width, source.height];
  drawImage(page.canvas, source, faces, settings, mirrored);
  renderPeople(page.people, faces, settings);
}

async function showPhoto(blob, name) {
  stopCamera();
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    say(`A photo must be an image that this browser can read. Received: ${name}. Remedy: save it as JPEG or PNG.`, true);
    return;
  }
  const scale = Math.min(1, settings.largestPhoto / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  say(`Looking for faces in ${name}.`);
  const start = performance.now();
  const { copy, faces } = await analyze(bitmap, width, height, settings.photoSide, true);
  show(copy, faces.map((face, index) => answer({ ...face, id: index + 1 })), false);
  const found = faces.length === 1 ? "1 face" : `${faces.length} faces`;
  say(`${name}: ${found || "no face"} in ${Math.round(performance.now() - start)} ms.${faces.length ? "" : " Try a photo with a larger face."}`);
}

async function startCamera() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480, facingMode: "user" } });
  } catch (error) {
    const reasons = { NotAllowedError: "The camera is blocked: allow it for this page in the browser's address bar.", NotFoundError: "No camera was found: connect one, or choose a photo." };
    say(reasons[error.name] ?? `The camera cannot be opened (${error.name}): close other programs that use it.`, true);
    return;
  }
  page.camera.textContent = "Stop the camera";
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  await watch(video, stream);
}

/** Analyze the frames of a camera one after the other until it is stopped. */
async function watch(video, watched) {
  const tracker = new Tracker(settings);
  const times = [];
  while (stream === watched) {
    const seconds = performance.now() / 1000;
    const { copy, faces } = await analyze(video, video.videoWidth, video.videoHeight, settings.streamSide, false);
    if (stream !== watched) return;
    show(copy, tracker.update(faces, seconds).map(answer), page.mirror.checked);
    times.push(seconds);
    if (times.length > 30) times.shift();
    const rate = (times.length - 1) / (times.at(-1) - times[0] || 1);
    if (times.length > 5) say(`${rate.toFixed(0)} frames per second.${faces.length ? "" : " No face in view."}`);
    await new Promise(requestAnimationFrame);
  }
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  page.camera.textContent = "Start the camera";
}

async function load() {
  settings = await (await fetch("settings.json")).json();
  page.threshold.textContent = `${Math.round(100 * settings.uncertainBelow)} %`;
  navigator.serviceWorker?.register(`offline.js?version=${settings.version}`);
  say(`Loading the networks (${Math.round(settings.megabytes)} MB, once).`);
  await ask("load", { settings });
  page.camera.disabled = page.photo.disabled = false;
  if (!navigator.mediaDevices) page.camera.disabled = true;
  await showPhoto(await (await fetch(settings.example)).blob(), "Example");
}

page.camera.addEventListener("click", () => (stream ? stopCamera() : startCamera()));
page.photo.addEventListener("change", () => page.photo.files[0] && showPhoto(page.photo.files[0], page.photo.files[0].name));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file && settings) showPhoto(file, file.name);
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file && settings) showPhoto(file, "Pasted image");
});
load().catch((error) => say(`The page could not be loaded: ${error.message}. Remedy: reload it; it needs a browser of 2023 or later.`, true));
