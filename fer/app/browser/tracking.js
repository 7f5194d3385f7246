// People of a stream: numbers that stay, and probabilities smoothed over time. A shorter fer.vision.tracking.
import { computeIou } from "./detection.js";

/** The people of one camera. */
export class Tracker {
  constructor({ leastOverlap, longestGap, smoothingSeconds }) {
    Object.assign(this, { leastOverlap, longestGap, smoothingSeconds, tracks: [], nextId: 1 });
  }

  /** Return the faces of a frame with a number each, and their probabilities averaged over the last frames. */
  update(faces, seconds) {
    this.tracks = this.tracks.filter((track) => seconds - track.seconds <= this.longestGap);
    const pairs = this.tracks
      .flatMap((track) => faces.map((face) => ({ track, face, overlap: computeIou(track.box, face.box) })))
      .filter(({ overlap }) => overlap >= this.leastOverlap)
      .sort((a, b) => b.overlap - a.overlap);
    const assigned = new Map();
    for (const { track, face } of pairs) {
      if (!assigned.has(face) && ![...assigned.values()].includes(track)) assigned.set(face, track);
    }
    return faces.map((face) => this.#smooth(face, assigned.get(face), seconds));
  }

  #smooth(face, known, seconds) {
    const track = known ?? { id: this.nextId++, probabilities: face.probabilities, seconds };
    if (!known) this.tracks.push(track);
    const past = known ? Math.exp(-(seconds - track.seconds) / this.smoothingSeconds) : 0;
    track.probabilities = face.probabilities.map((now, index) => past * track.probabilities[index] + (1 - past) * now);
    Object.assign(track, { box: face.box, seconds });
    return { ...face, id: track.id, probabilities: track.probabilities };
  }
}
