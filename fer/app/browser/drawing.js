// Boxes and labels over an image, and the cards of the people beside it.

/** Draw an image on a canvas, mirrored on request, with a box and a label for each face. */
export function drawImage(canvas, source, faces, settings, mirrored) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.save();
  if (mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
  context.drawImage(source, 0, 0, width, height);
  context.restore();
  // Pixels of the canvas per pixel of the screen: lines and text stay readable on a phone.
  const unit = Math.max(width / canvas.clientWidth, height / canvas.clientHeight);
  for (const face of faces) {
    const [left, top, right, bottom] = face.box;
    const x = mirrored ? width - right : left;
    context.strokeStyle = settings.colors[face.label];
    context.lineWidth = 3 * unit;
    context.setLineDash(face.unsure ? [8 * unit, 6 * unit] : []);
    context.strokeRect(x, top, right - left, bottom - top);
    drawCaption(context, describeFace(face), x, top, unit, settings.colors[face.label], width);
  }
}

function drawCaption(context, text, x, y, unit, color, width) {
  const size = 15 * unit;
  context.font = `600 ${size}px system-ui, sans-serif`;
  const length = context.measureText(text).width + size;
  const left = Math.max(0, Math.min(x, width - length));
  const top = y >= 1.5 * size ? y - 1.5 * size : y;
  context.fillStyle = color;
  context.fillRect(left, top, length, 1.5 * size);
  context.fillStyle = isBright(color) ? "#000" : "#fff";
  context.textBaseline = "middle";
  context.fillText(text, left + size / 2, top + 0.78 * size);
}

function isBright(color) {
  const [red, green, blue] = [1, 3, 5].map((start) => parseInt(color.slice(start, start + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140;
}

/** Return the number, the answer and its probability, as on the image and the card. */
export function describeFace(face) {
  return `${face.id} ${face.label}${face.unsure ? "?" : ""} ${formatShare(face.confidence)}`;
}

/** Return a share as a percentage; no answer is shown as certain or impossible. */
export function formatShare(share) {
  if (share > 0.99) return "> 99 %";
  return share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}

/** Replace the cards by those of the faces. */
export function renderPeople(list, faces, settings) {
  list.replaceChildren(...faces.map((face) => renderCard(face, settings)));
}

function renderCard(face, settings) {
  const card = document.createElement("li");
  card.style.setProperty("--color", settings.colors[face.label]);
  card.dataset.box = JSON.stringify(face.box);
  card.dataset.probabilities = JSON.stringify(face.probabilities);
  const title = document.createElement("h2");
  title.textContent = describeFace(face);
  const ranked = settings.expressions.map((name, index) => [name, face.probabilities[index]]).sort((a, b) => b[1] - a[1]);
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = face.unsure ? `Unsure: ${ranked[1][0]} is nearly as likely.` : `Next: ${ranked[1][0]}, ${formatShare(ranked[1][1])}.`;
  card.append(title, note, ...ranked.map(renderBar));
  return card;
}

function renderBar([name, share]) {
  const bar = document.createElement("div");
  bar.className = "bar";
  const [label, meter, value] = ["span", "meter", "span"].map((kind) => document.createElement(kind));
  label.textContent = name;
  meter.value = share;
  meter.setAttribute("aria-label", name);
  value.textContent = formatShare(share).replace(" %", "%").replace("> ", ">").replace("< ", "<");
  bar.append(label, meter, value);
  return bar;
}
