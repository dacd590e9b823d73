// The studio: a drawing, a reference and a network make a coloured picture, all of it in this page.
//
// In order: what is there, reading pictures, resizing, palettes, networks, flat colours, the result, where the network
// looks, drawing, controls and address, start. A grey picture is {data: Uint8, width, height}; a coloured one has three
// bytes a pixel. `lineart.coloring` does the same in Python; where this differs, a comment says so.

import * as ort from "./ort/ort.js";

const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const LARGEST = 1024; // pixels a side of an opened file; Python keeps every size
const SHEET = 512; // pixels a side of an empty sheet

// What is chosen. `own` is what the address cannot hold: a drawn line or a file.
const state = { drawing: 1, reference: 4, mirror: false, method: "", finish: "smooth", point: null, step: 0 };
let manifest; // studio.json: networks and samples
let reference; // {picture, palette}: the reference as it is, and its nine colours
let palette; // nine colours, [r, g, b] each, changed ones too
let attention = null; // {data, height, width, places} of the last picture, and what it looked at
let box = null; // the place of the drawing in the network's square, as shares of it

// What a method is, below its title
const ABOUT = {
  none: "It sees the drawing and nine colours, and no reference.",
  gate: "As in the authors’ public code: gates weigh the drawing’s features, and no reference enters.",
  palette: "Every place of the drawing asks the nine colours, as in the paper’s Figure 2.",
  image: "Every place asks all places of the reference. Trained with the answer itself as the reference.",
  "image-warped": "Attention to the image, trained on references that were bent and mirrored.",
  "image-other":
    "Attention to the image, trained on other drawings in the right colours, which only drawn data can give.",
  "colors-warped":
    "A second encoder compares drawing and reference. Trained on references that were bent and mirrored.",
  "lines-warped": "A second encoder compares lines with lines. Trained on references that were bent and mirrored.",
  lines: "A second encoder compares lines with lines. Trained with the answer itself as the reference.",
  "lines-other": "A second encoder compares lines with lines. Trained on other drawings in the right colours.",
};

// ---------------------------------------------------------------------------------------------- What is being done

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

class Refused extends Error {} // what the person can mend, in one sentence

// ---------------------------------------------------------------------------------------------- Reading pictures

/** The pixels of a file or address on white, at most `LARGEST` a side. Raises Refused for what is no picture. */
async function readPicture(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Refused(`“${name}” is no picture that this browser can read. PNG, JPEG, WebP and GIF files work.`);
  }
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return fromRgba(context.getImageData(0, 0, width, height));
}

async function readSample(path) {
  return readPicture(await (await fetch(path)).blob(), path);
}

/** {data, width, height} with three bytes a pixel, of the browser's four. */
function fromRgba(image) {
  const data = new Uint8Array((image.data.length / 4) * 3);
  for (let i = 0, j = 0; i < image.data.length; i += 4) {
    data[j++] = image.data[i];
    data[j++] = image.data[i + 1];
    data[j++] = image.data[i + 2];
  }
  return { data, width: image.width, height: image.height };
}

/** The browser's four bytes a pixel, of one (grey) or three. */
function toRgba(picture) {
  const { data, width, height } = picture,
    channels = data.length / (width * height);
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[channels * i + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

function show(canvas, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(toRgba(picture), 0, 0);
}

function mirrored(picture) {
  const { data, width, height } = picture,
    turned = new Uint8Array(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) turned[3 * (y * width + x) + c] = data[3 * (y * width + width - 1 - x) + c];
  return { data: turned, width, height };
}

/**
 * Dark lines on white from an opened file: [grey picture, what was done]. White on black is turned over, grey paper
 * made white, and of a coloured picture the lines are drawn. Python knows shaded paper, too, and refuses photographs.
 */
function cleanDrawing(picture) {
  const { data, width, height } = picture,
    n = width * height,
    middle = [0, 1, 2].map((c) => data.filter((_, i) => i % 3 === c).sort()[n >> 1]), // the paper's colour
    ground = Math.max(...middle) < 128 ? [255, 255, 255] : middle.map((value) => Math.max(1, value));
  let grey = new Uint8Array(n),
    colored = 0,
    dark = 0,
    done = "";
  for (let i = 0; i < n; i++) {
    const [r, g, b] = data.subarray(3 * i, 3 * i + 3),
      [red, green, blue] = [r / ground[0], g / ground[1], b / ground[2]],
      high = Math.min(1, Math.max(red, green, blue));
    grey[i] = Math.min(r, g, b); // yellow is ink
    colored += high > 0.2 && Math.min(red, green, blue) < 0.75 * high;
    dark += Math.max(r, g, b) < 128;
  }
  if (colored > 0.3 * n)
    return [{ data: linesOf(picture), width, height }, "It is in colour, so its lines were drawn first."];
  if (dark > 0.6 * n) {
    for (let i = 0; i < n; i++) grey[i] = 255 - Math.max(data[3 * i], data[3 * i + 1], data[3 * i + 2]);
    done = "White lines on black were turned over. ";
  }
  const sorted = Uint8Array.from(grey).sort(),
    paper = sorted[n >> 1],
    white = 0.92 * paper;
  if (sorted.at(-1) - sorted[0] < 40)
    throw new Refused("A drawing is lines on paper, and this picture is nearly one grey.");
  if (paper >= 250) return [{ data: grey, width, height }, done];
  const darker = sorted.findIndex((value) => value >= white - 0.05 * paper), // so many are clearly darker than paper
    ink = darker > 0 ? Math.min(sorted[Math.floor(0.2 * darker)], white - 0.1 * paper) : 0;
  grey = grey.map((value) => Math.round(255 * Math.min(1, Math.max(0, (value - ink) / (white - ink)))));
  return [{ data: grey, width, height }, `${done}Its paper was made white.`];
}

/** Lines of a coloured picture by XDoG, with the settings of `lineart.data.lines.xdog`. */
function linesOf({ data, width, height }) {
  const grey = new Float32Array(width * height);
  for (let i = 0; i < grey.length; i++)
    grey[i] = (0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2]) / 255;
  const sigma = 0.6 * Math.max(1, Math.min(width, height) / 256);
  const narrow = blur(grey, width, height, sigma),
    wide = blur(grey, width, height, 1.6 * sigma);
  return Uint8Array.from(grey, (_, i) => {
    const response = 1 + 20 * (narrow[i] - wide[i]);
    return response >= 0.75 ? 255 : Math.round(255 * Math.max(0, 1 + Math.tanh(12 * (response - 0.75))));
  });
}

/** Gaussian blur; pixels outside are the nearest inside, where Python mirrors the picture at its edge. */
function blur(plane, width, height, sigma) {
  const radius = Math.floor(4 * sigma + 0.5),
    kernel = [];
  for (let i = -radius; i <= radius; i++) kernel.push(Math.exp(-0.5 * (i / sigma) ** 2));
  const sum = kernel.reduce((a, b) => a + b),
    clamp = (i, n) => Math.min(n - 1, Math.max(0, i));
  const rows = plane.map((_, i) => {
    const y = Math.floor(i / width),
      x = i % width;
    return (
      kernel.reduce((total, weight, k) => total + weight * plane[y * width + clamp(x + k - radius, width)], 0) / sum
    );
  });
  return rows.map((_, i) => {
    const y = Math.floor(i / width),
      x = i % width;
    return (
      kernel.reduce((total, weight, k) => total + weight * rows[clamp(y + k - radius, height) * width + x], 0) / sum
    );
  });
}

// ---------------------------------------------------------------------------------------------- Resizing

/** Lanczos as in Pillow, to the byte: for each target pixel the source pixels from `first` on, and their weights. */
function lanczosWeights(from, to) {
  const scale = from / to,
    stretch = Math.max(1, scale),
    support = 3 * stretch;
  const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  const lanczos = (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5)),
      end = Math.min(from, Math.trunc(center + support + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) => lanczos((k + first - center + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function resize(picture, width, height) {
  const channels = picture.data.length / (picture.width * picture.height);
  let { data } = picture;
  if (width !== picture.width) data = resizeRows(data, picture.width, picture.height, width, channels);
  if (height !== picture.height) data = resizeColumns(data, width, picture.height, height, channels);
  return { data, width, height };
}

function resizeRows(data, from, height, to, channels) {
  const result = new Uint8ClampedArray(to * height * channels),
    places = lanczosWeights(from, to);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < to; x++) {
      const { first, weights } = places[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0, i = (y * from + first) * channels + c; k < weights.length; k++, i += channels)
          sum += weights[k] * data[i];
        result[(y * to + x) * channels + c] = Math.floor(sum + 0.5);
      }
    }
  return result;
}

function resizeColumns(data, width, from, to, channels) {
  const row = width * channels,
    result = new Uint8ClampedArray(row * to),
    places = lanczosWeights(from, to);
  for (let y = 0; y < to; y++) {
    const { first, weights } = places[y],
      sums = new Float64Array(row);
    for (let k = 0; k < weights.length; k++)
      for (let i = 0, j = (first + k) * row; i < row; i++, j++) sums[i] += weights[k] * data[j];
    for (let i = 0; i < row; i++) result[y * row + i] = Math.floor(sums[i] + 0.5);
  }
  return result;
}

/** A drawing to the network's size, thin lines kept dark: `lineart.coloring.drawing.shrink`. */
function shrink(full, size) {
  const longest = Math.max(full.width, full.height),
    reduction = longest / size;
  const [width, height] = [full.width, full.height].map((side) => Math.max(1, even((side * size) / longest)));
  const small = resize(full, width, height);
  if (reduction <= 1) return small;
  const darkest = new Uint8Array(width * height);
  for (let y = 0; y < full.height; y++) {
    const row = Math.min(height - 1, Math.floor(((y + 1) * height - 1) / full.height));
    for (let x = 0; x < full.width; x++) {
      const i = row * width + Math.min(width - 1, Math.floor(((x + 1) * width - 1) / full.width));
      darkest[i] = Math.max(darkest[i], 255 - full.data[y * full.width + x]);
    }
  }
  const ink = small.data.map((value) => 255 - value);
  const wanted = around(darkest, width, height, [1, 1], Math.max),
    there = around(ink, width, height, [1, 1], Math.max);
  const near = around(around(ink, width, height, [2, 0], add), width, height, [0, 2], add);
  const data = ink.map((value, i) => {
    const gain = Math.min(
      (0.75 * Math.max(1, wanted[i])) / Math.max(1, there[i]),
      (0.4 * Math.max(1, wanted[i])) / Math.max(1, near[i]),
    );
    return Math.round(Math.max(0, 255 - value * Math.min(reduction, Math.max(1, gain))));
  });
  return { data, width, height };
}

const add = (a, b) => a + b;

/** Rounded as Python rounds: a half to the even number. */
const even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/** The largest, or the rounded mean, of the values around each pixel; the picture's edge is repeated. */
function around(plane, width, height, [rx, ry], join) {
  const count = (2 * rx + 1) * (2 * ry + 1),
    result = new Uint8Array(plane.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let value = 0;
      for (let dy = -ry; dy <= ry; dy++)
        for (let dx = -rx; dx <= rx; dx++)
          value = join(
            value,
            plane[Math.min(height - 1, Math.max(0, y + dy)) * width + Math.min(width - 1, Math.max(0, x + dx))],
          );
      result[y * width + x] = join === Math.max ? value : Math.floor(value / count + 0.5);
    }
  return result;
}

// ---------------------------------------------------------------------------------------------- Palettes

/**
 * Nine colours of a picture by k-means, the largest first. The pixels are those that `extract_palette` takes; it starts
 * from other centres, so that the two may part in a colour or two. The samples' palettes come from Python.
 */
function extractPalette({ data, width, height }, k = 9) {
  const stride = Math.max(1, Math.ceil(Math.sqrt((width * height) / 4096))),
    counts = new Map();
  for (let y = 0; y < height; y += stride)
    for (let x = 0; x < width; x += stride) {
      const i = 3 * (y * width + x),
        name = (data[i] << 16) | (data[i + 1] << 8) | data[i + 2];
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  let clusters = [...counts].map(([name, count]) => ({ color: [name >> 16, (name >> 8) & 255, name & 255], count }));
  clusters.sort((a, b) => b.count - a.count);
  if (clusters.length > k) clusters = cluster(clusters, k).sort((a, b) => b.count - a.count);
  return Array.from({ length: k }, (_, i) => clusters[i % clusters.length].color);
}

/** Lloyd's steps from centres that are far apart and stand for many pixels. */
function cluster(points, k) {
  const distance = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
  let centers = [points[0].color];
  const far = points.map(() => Infinity);
  while (centers.length < k) {
    points.forEach((point, i) => (far[i] = Math.min(far[i], distance(point.color, centers.at(-1)))));
    centers.push(
      points.reduce((best, point, i) => (far[i] * point.count > far[best] * points[best].count ? i : best), 0),
    );
    centers[centers.length - 1] = points[centers.at(-1)].color;
  }
  for (let round = 0, moved = true; moved && round < 100; round++) {
    const sums = centers.map(() => [0, 0, 0, 0]);
    for (const { color, count } of points) {
      const i = centers.reduce(
        (best, center, j) => (distance(color, center) < distance(color, centers[best]) ? j : best),
        0,
      );
      for (let c = 0; c < 3; c++) sums[i][c] += count * color[c];
      sums[i][3] += count;
    }
    const next = sums.map((s, i) => (s[3] ? s.slice(0, 3).map((value) => value / s[3]) : centers[i]));
    moved = next.some((center, i) => distance(center, centers[i]) > 1e-4);
    centers = next;
    if (!moved || round === 99) return centers.map((color, i) => ({ color, count: sums[i][3] }));
  }
}

// ---------------------------------------------------------------------------------------------- Networks

const sessions = new Map(); // name of a network -> promise of its session

/** The bytes of a packed file. A host that unpacks by itself is fine, too. */
async function unpacked(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return new Uint8Array(
    await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer(),
  );
}

const ready = new Set(); // names of the networks whose session has begun
let runtime = null;

/** The same for all networks; where it could not be loaded, the next picture tries again. */
function startRuntime() {
  const load = async () => {
    ort.env.wasm.numThreads = 1; // more need headers that static hosts do not send
    ort.env.wasm.proxy = true; // in a worker, so that the pen never waits
    ort.env.wasm.wasmBinary = (await unpacked("ort/ort.wasm.gz")).buffer;
  };
  runtime ??= load().catch((error) => {
    runtime = null;
    throw error;
  });
  return runtime;
}

function session(network) {
  if (!sessions.has(network.name)) {
    const load = async () => {
      const [model] = await Promise.all([unpacked(network.file), startRuntime()]);
      const made = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
      ready.add(network.name);
      return made;
    };
    sessions.set(
      network.name,
      load().catch((error) => {
        sessions.delete(network.name);
        throw error;
      }),
    );
  }
  return sessions.get(network.name);
}

const networkOf = (name) => manifest.networks.find((network) => network.name === name);

/** Picture planes of a colour picture at the network's size, in [-1, 1]: (1, 3, H, W). */
function planes(picture, size) {
  const { data } = resize(picture, size, size),
    result = new Float32Array(3 * size * size);
  for (let i = 0; i < size * size; i++)
    for (let c = 0; c < 3; c++) result[c * size * size + i] = data[3 * i + c] / 127.5 - 1;
  return result;
}

/**
 * The network's picture at the drawing's size, the attention, and the drawing's place in the network's square. A strip
 * is one picture here; Python colours it in overlapping squares.
 */
async function paint(network, full, seen, colors) {
  const size = network.size,
    small = shrink(full, size);
  const left = Math.floor((size - small.width) / 2),
    top = Math.floor((size - small.height) / 2);
  const line = new Float32Array(size * size).fill(1); // white
  for (let y = 0; y < small.height; y++)
    for (let x = 0; x < small.width; x++)
      line[(top + y) * size + left + x] = small.data[y * small.width + x] / 127.5 - 1;
  const inputs = {
    line: new ort.Tensor("float32", line, [1, 1, size, size]),
    palette: new ort.Tensor(
      "float32",
      Float32Array.from(colors.flat(), (value) => value / 127.5 - 1),
      [1, 9, 3],
    ),
    reference: new ort.Tensor("float32", planes(seen, size), [1, 3, size, size]),
  };
  const run = await session(network);
  const found = await run.run(Object.fromEntries(run.inputNames.map((name) => [name, inputs[name]])));
  const data = new Uint8Array(3 * small.width * small.height),
    color = found.color.data;
  for (let y = 0, i = 0; y < small.height; y++)
    for (let x = 0; x < small.width; x++)
      for (let c = 0; c < 3; c++) {
        const value = color[c * size * size + (top + y) * size + left + x];
        data[i++] = Math.min(255, Math.max(0, Math.round((value + 1) * 127.5)));
      }
  const [, height, width, places] = found.attention?.dims ?? [];
  return {
    color: resize({ data, width: small.width, height: small.height }, full.width, full.height),
    attention: found.attention ? { data: found.attention.data, height, width, places, attends: network.attends } : null,
    box: { left: left / size, top: top / size, width: small.width / size, height: small.height / size },
  };
}

// ---------------------------------------------------------------------------------------------- Flat colours
// The idea of `lineart.coloring.flats`, smaller: a region in which the network sees two colours keeps the network's
// picture here, where Python blurs its shading; openings wider than a gap stay open; and blocks of a large drawing are
// not filled anew at its full size.

const INK = 200, // grey level
  ALIKE = 12, // distances in CIELAB
  APART = 40,
  MAX_REGIONS = 1000; // of more, as in dense hatching, the smallest join their neighbours

function flat(full, color) {
  const factor = Math.ceil(Math.sqrt(full.width * full.height) / 512);
  const line = reduced(full, factor),
    shades = factor > 1 ? resize(color, line.width, line.height) : color;
  const lab = toLab(shades.data),
    { labels, distance } = regionsOf(line, Math.min(full.width, full.height) / 20 / factor);
  joinAlike(labels, distance, lab, line.width);
  const medians = mediansOf(labels, distance, lab),
    mixed = mixedOf(labels, distance, lab, medians);
  const paint = medians.map(fromLab),
    data = new Uint8Array(color.data.length);
  for (let y = 0; y < full.height; y++)
    for (let x = 0; x < full.width; x++) {
      const i = y * full.width + x,
        label = labels[Math.floor(y / factor) * line.width + Math.floor(x / factor)];
      for (let c = 0; c < 3; c++) {
        const under = mixed[label] ? color.data[3 * i + c] : paint[label][c];
        data[3 * i + c] = Math.round((under * full.data[i]) / 255);
      }
    }
  return { data, width: full.width, height: full.height };
}

/** The darkest pixel of each block, so that no line opens. */
function reduced(full, factor) {
  if (factor === 1) return full;
  const width = Math.ceil(full.width / factor),
    height = Math.ceil(full.height / factor);
  const data = new Uint8Array(width * height).fill(255);
  for (let y = 0; y < full.height; y++)
    for (let x = 0; x < full.width; x++) {
      const i = Math.floor(y / factor) * width + Math.floor(x / factor);
      data[i] = Math.min(data[i], full.data[y * full.width + x]);
    }
  return { data, width, height };
}

/** For each pixel the nearest one of `wanted`, and its distance; Felzenszwalb and Huttenlocher's two passes. */
function nearest(wanted, width, height) {
  const column = new Float64Array(width * height).fill(Infinity),
    from = new Int32Array(width * height).fill(-1);
  for (let x = 0; x < width; x++)
    for (const rows of [
      [0, height, 1],
      [height - 1, -1, -1],
    ])
      for (let y = rows[0], last = -1; y !== rows[1]; y += rows[2]) {
        const i = y * width + x;
        if (wanted[i]) last = y;
        if (last < 0 || (y - last) ** 2 >= column[i]) continue;
        column[i] = (y - last) ** 2;
        from[i] = last * width + x;
      }
  const distance = new Float32Array(width * height),
    index = new Int32Array(width * height);
  const hull = new Int32Array(width),
    bound = new Float64Array(width + 1);
  for (let y = 0, row = 0; y < height; y++, row += width) {
    let top = -1;
    for (let x = 0; x < width; x++) {
      if (column[row + x] === Infinity) continue;
      let meet = -Infinity; // from where on x is nearer than the last of the hull
      for (; top >= 0; top--) {
        const a = hull[top];
        meet = (column[row + x] + x * x - column[row + a] - a * a) / (2 * (x - a));
        if (meet > bound[top]) break;
      }
      bound[++top] = top ? meet : -Infinity;
      hull[top] = x;
    }
    for (let x = 0, k = 0; x < width; x++) {
      while (k < top && bound[k + 1] < x) k++;
      index[row + x] = top < 0 ? -1 : from[row + hull[k]];
      distance[row + x] = top < 0 ? Infinity : Math.sqrt(column[row + hull[k]] + (x - hull[k]) ** 2);
    }
  }
  return { distance, index };
}

/** Labels of every pixel, and its distance from ink: `lineart.coloring.regions.regions`. */
function regionsOf({ data, width, height }, gap) {
  const ink = data.map((value) => value < INK),
    labels = new Int32Array(width * height).fill(-1);
  const distance = ink.includes(1) ? nearest(ink, width, height).distance : new Float32Array(width * height).fill(1);
  let count = 0;
  for (let radius = gap / 2; radius >= 0; radius = radius > 1 ? radius / 2 : radius - 1)
    count = newPieces(distance, labels, width, radius, count);
  if (!count) return { labels: labels.fill(0), distance };
  if (count > MAX_REGIONS) keepLargest(labels, count);
  flood(distance, labels, width);
  const { index } = nearest(
    labels.map((label) => label >= 0),
    width,
    height,
  );
  return { labels: labels.map((label, i) => (label >= 0 ? label : labels[index[i]])), distance };
}

/** Connected paper further from ink than `radius`, where no wider piece lies inside, as new labels from `count` on. */
function newPieces(distance, labels, width, radius, count) {
  const seen = new Uint8Array(labels.length),
    piece = new Int32Array(labels.length);
  for (let start = 0; start < labels.length; start++) {
    if (seen[start] || distance[start] <= radius) continue;
    let size = 1,
      known = false;
    piece[0] = start;
    seen[start] = 1;
    for (let k = 0; k < size; k++) {
      known ||= labels[piece[k]] >= 0;
      for (let n = neighbours(piece[k], width, labels.length); n--;) {
        const i = NEAR[n];
        if (seen[i] || distance[i] <= radius) continue;
        seen[i] = 1;
        piece[size++] = i;
      }
    }
    if (known) continue;
    for (let k = 0; k < size; k++) labels[piece[k]] = count;
    count++;
  }
  return count;
}

/** The largest `MAX_REGIONS` pieces, numbered anew; the others are nobody's again. */
function keepLargest(labels, count) {
  const sizes = new Uint32Array(count),
    renamed = new Int32Array(count).fill(-1);
  for (const label of labels) if (label >= 0) sizes[label]++;
  const order = Array.from(sizes.keys()).sort((a, b) => sizes[b] - sizes[a]);
  order.slice(0, MAX_REGIONS).forEach((label, i) => (renamed[label] = i));
  for (let i = 0; i < labels.length; i++) if (labels[i] >= 0) labels[i] = renamed[labels[i]];
}

const NEAR = new Int32Array(4); // filled anew by each call, so that millions of calls make no garbage

/** How many pixels touch pixel i; they stand in `NEAR`. */
function neighbours(i, width, n) {
  const x = i % width;
  let count = 0;
  if (i >= width) NEAR[count++] = i - width;
  if (x > 0) NEAR[count++] = i - 1;
  if (x < width - 1) NEAR[count++] = i + 1;
  if (i + width < n) NEAR[count++] = i + width;
  return count;
}

/** Labels grow over paper until they meet, the widest places first: a watershed. */
function flood(distance, labels, width) {
  const levels = Array.from({ length: 2048 }, () => []),
    heads = new Int32Array(levels.length); // quarters of a pixel
  let highest = 0;
  const push = (i) => {
    const level = Math.min(levels.length - 1, Math.round(4 * distance[i]));
    levels[level].push(i);
    highest = Math.max(highest, level);
  };
  for (let i = 0; i < labels.length; i++) if (labels[i] >= 0) push(i);
  while (highest > 0) {
    if (heads[highest] === levels[highest].length) {
      highest--;
      continue;
    }
    const i = levels[highest][heads[highest]++];
    for (let n = neighbours(i, width, labels.length); n--;) {
      const j = NEAR[n];
      if (labels[j] >= 0 || distance[j] <= 0) continue;
      labels[j] = labels[i];
      push(j);
    }
  }
}

/** Regions that touch on paper and are alike, or tiny, become one; `labels` is changed in place and numbered anew. */
function joinAlike(labels, distance, lab, width) {
  const colors = mediansOf(labels, distance, lab),
    area = new Float64Array(colors.length),
    pairs = new Set();
  for (let i = 0; i < labels.length; i++) {
    const a = labels[i];
    area[a]++;
    for (const j of [i + 1, i + width]) {
      const b = labels[j];
      if (a === b || j >= labels.length || (j === i + 1 && j % width === 0) || distance[i] <= 0 || distance[j] <= 0)
        continue;
      pairs.add(Math.min(a, b) * colors.length + Math.max(a, b));
    }
  }
  const parent = colors.map((_, i) => i),
    rootOf = (i) => (parent[i] === i ? i : rootOf(parent[i]));
  const meetings = [...pairs].map((pair) => [Math.floor(pair / colors.length), pair % colors.length]);
  const closest = meetings.map(([a, b]) => [apart(colors[a], colors[b]), a, b]).sort((p, q) => p[0] - q[0]);
  for (const [, ...pair] of closest) {
    const [a, b] = pair.map(rootOf).sort((p, q) => area[q] - area[p]);
    if (a === b || (apart(colors[a], colors[b]) >= ALIKE && area[b] >= 6)) continue;
    colors[a] = colors[a].map((value, c) => (area[a] * value + area[b] * colors[b][c]) / (area[a] + area[b]));
    area[a] += area[b];
    parent[b] = a;
  }
  const roots = [...new Set(colors.map((_, i) => rootOf(i)))],
    renamed = colors.map((_, i) => roots.indexOf(rootOf(i)));
  for (let i = 0; i < labels.length; i++) labels[i] = renamed[labels[i]];
}

const apart = (a, b) => Math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2);

const countOf = (labels) => labels.reduce((most, label) => Math.max(most, label), 0) + 1;

/** The median colour of each region away from its ink, where the network paints its own lines, in quarters. */
function mediansOf(labels, distance, lab) {
  const n = countOf(labels),
    bins = 1024,
    low = -128;
  const widest = new Float32Array(n),
    counts = new Uint32Array(3 * n * bins),
    sizes = new Uint32Array(n);
  for (let i = 0; i < labels.length; i++) widest[labels[i]] = Math.max(widest[labels[i]], distance[i]);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (distance[i] < 0.3 * widest[label]) continue;
    sizes[label]++;
    for (let c = 0; c < 3; c++)
      counts[(3 * label + c) * bins + Math.min(bins - 1, Math.max(0, Math.round(4 * (lab[3 * i + c] - low))))]++;
  }
  return Array.from(sizes, (size, label) =>
    [0, 1, 2].map((c) => {
      let bin = 0;
      for (let below = counts[(3 * label + c) * bins]; 2 * below < size; below += counts[(3 * label + c) * bins + bin])
        bin++;
      return bin / 4 + low;
    }),
  );
}

/** Which regions show more than one colour. */
function mixedOf(labels, distance, lab, medians) {
  const far = new Float64Array(medians.length),
    all = new Float64Array(medians.length),
    color = [0, 0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (distance[i] <= 0) continue;
    for (let c = 0; c < 3; c++) color[c] = lab[3 * i + c];
    all[labels[i]]++;
    if (apart(medians[labels[i]], color) > APART) far[labels[i]]++;
  }
  return Array.from(far, (count, i) => count > 0.25 * all[i]);
}

const LINEAR = Float32Array.from({ length: 256 }, (_, i) =>
  i / 255 <= 0.04045 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4,
);
const WHITE_POINT = [0.95047, 1, 1.08883];

/** sRGB bytes to CIELAB. */
function toLab(data) {
  const lab = new Float32Array(data.length),
    f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [LINEAR[data[i]], LINEAR[data[i + 1]], LINEAR[data[i + 2]]];
    const x = f((0.412453 * r + 0.35758 * g + 0.180423 * b) / WHITE_POINT[0]);
    const y = f(0.212671 * r + 0.71516 * g + 0.072169 * b);
    const z = f((0.019334 * r + 0.119193 * g + 0.950227 * b) / WHITE_POINT[2]);
    lab[i] = 116 * y - 16;
    lab[i + 1] = 500 * (x - y);
    lab[i + 2] = 200 * (y - z);
  }
  return lab;
}

/** One CIELAB colour to sRGB bytes. */
function fromLab([l, a, b]) {
  const y = (l + 16) / 116,
    g = (t) => (t > 0.2068966 ? t ** 3 : (t - 16 / 116) / 7.787);
  const [X, Y, Z] = [y + a / 500, y, y - b / 200].map((t, i) => g(t) * WHITE_POINT[i]);
  const linear = [
    3.240481 * X - 1.537152 * Y - 0.498536 * Z,
    -0.969255 * X + 1.87599 * Y + 0.041556 * Z,
    0.055647 * X - 0.204041 * Y + 1.057311 * Z,
  ];
  return linear.map((t) =>
    Math.round(255 * Math.min(1, Math.max(0, t > 0.0031308 ? 1.055 * t ** (1 / 2.4) - 0.055 : 12.92 * t))),
  );
}

// ---------------------------------------------------------------------------------------------- The result

const loadingText = ({ title, bytes }) => `Loading the network “${title}”, ${(bytes / 1e6).toFixed(1)} MB …`;

let working = false,
  again = false,
  warm = false;

/** Colour anew. While one picture is being made, the next waits, and of several that wait only the last is made. */
async function refresh() {
  again = true;
  if (working) return;
  working = true;
  root.dataset.state = "busy";
  try {
    while (again) {
      again = false;
      await colour();
    }
    if (!$("gallery").hidden) await compareAll();
  } catch (error) {
    say(error instanceof Refused ? error.message : `That did not work: ${error.message}`, true);
  }
  working = false;
  if (again) return refresh();
  root.dataset.state = "ready";
}

async function colour() {
  const network = networkOf(state.method),
    started = performance.now(),
    first = !ready.has(network.name);
  if (first) say(loadingText(network));
  const full = drawingPixels();
  const made = await paint(network, full, seenReference(), palette);
  show($("result"), finished(full, made.color, network.size));
  ({ attention, box } = made);
  look();
  if (!warm) warmUp(full, made.color);
  const seconds = ((performance.now() - started) / 1000).toFixed(2);
  say(`${state.note ? `${state.note} ` : ""}Coloured in ${seconds} s${first ? ", loading included" : ""}.`);
}

/** Small pictures made flat while nothing else is to do: until the browser has compiled that, it is twice as slow. */
function warmUp(full, color) {
  warm = true;
  const small = reduced(full, Math.ceil(full.width / 128));
  const shades = resize(color, small.width, small.height);
  const next = window.requestIdleCallback ?? ((job) => setTimeout(job, 50)); // Safari has none
  let left = 24;
  next(function once() {
    flat(small, shades);
    if (--left) next(once);
  });
}

/** The picture as it is shown: flat, or the network's own with the lines of a drawing that is larger over it. */
function finished(full, color, size) {
  if (state.finish === "flat") return flat(full, color);
  if (Math.max(full.width, full.height) <= size) return color;
  return { ...color, data: color.data.map((value, i) => Math.min(value, full.data[Math.floor(i / 3)])) };
}

const seenReference = () => (state.mirror ? mirrored(reference.picture) : reference.picture);

/** Every method of the same data on the same drawing, one picture after the other; stops where something new waits. */
async function compareAll() {
  const data = networkOf(state.method).data,
    full = drawingPixels();
  for (const button of [...$("pictures").children])
    if (networkOf(button.dataset.method).data !== data) button.remove(); // no longer coloured, so no longer true
  for (const network of manifest.networks.filter((other) => other.data === data)) {
    if (again) return;
    if (!ready.has(network.name)) say(loadingText(network));
    const made = await paint(network, full, seenReference(), palette);
    show(galleryCanvas(network), finished(full, made.color, network.size));
  }
  say("Coloured by every method. Choose one of the pictures to go on with its method.");
}

function galleryCanvas(network) {
  let button = $("pictures").querySelector(`[data-method="${network.name}"]`);
  if (!button) {
    button = element("button", { onclick: () => choose({ method: network.name }) });
    button.dataset.method = network.name;
    button.append(element("canvas"), element("span", { textContent: network.title }));
    $("pictures").append(button);
  }
  button.setAttribute("aria-pressed", network.name === state.method);
  return button.querySelector("canvas");
}

// ---------------------------------------------------------------------------------------------- Where it looks

/** The attention of the pointed place: a heat map on the reference, or a bar on each colour of the palette. */
function look() {
  const on = attention && state.point,
    image = on && attention.attends === "image";
  for (const id of ["heat", "own-place", "most-place"]) $(id).hidden = !image;
  const at = state.point && box && inDrawing(state.point);
  place("result-place", at);
  place("drawing-place", document.activeElement === $("drawing") && cursor ? inShares(cursor) : at);
  const weights = on ? attentionAt(state.point) : null;
  document
    .querySelectorAll("#swatches b")
    .forEach((bar, i) => bar.style.setProperty("--weight", on && !image ? weights[i] : 0));
  $("look").textContent = lookText(image, weights);
  if (image) drawHeat(weights);
}

/** The row of the attention that belongs to a place of the network's square. */
function attentionAt([x, y]) {
  const { data, width, height, places } = attention;
  const cell = Math.floor(y * height) * width + Math.floor(x * width);
  return data.subarray(cell * places, (cell + 1) * places);
}

function lookText(image, weights) {
  if (!attention) return "This method looks at no reference: it knows the palette alone.";
  if (!weights) return "Point at the result to see where the network looks.";
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  if (!image) return "The bars on the palette show how much this place asks of each colour.";
  const { width, height, places } = attention,
    [x, y] = state.point;
  const own = weights[Math.floor(y * height) * width + Math.floor(x * width)];
  return (
    `Own place (○): ${percent(own)} of the attention; spread evenly it would be ${percent(1 / places)}. ` +
    `It looks most at ◇: ${percent(Math.max(...weights))}.`
  );
}

function drawHeat(weights) {
  const { width, height } = attention,
    most = Math.max(...weights),
    image = new ImageData(width, height);
  weights.forEach((weight, i) => image.data.set(heatColor(weight / most), 4 * i));
  Object.assign($("heat"), { width, height });
  $("heat").getContext("2d").putImageData(image, 0, 0);
  const at = weights.indexOf(most),
    [x, y] = state.point;
  place("most-place", [((at % width) + 0.5) / width, (Math.floor(at / width) + 0.5) / height]);
  place("own-place", [x, y]);
  $("heat").dataset.most = [at % width, Math.floor(at / width)];
  $("heat").dataset.own = [Math.floor(x * width), Math.floor(y * height)];
}

/** From night blue over red to yellow; each is lighter than the one before, so that it reads without hues as well. */
function heatColor(share) {
  const stops = [
    [22, 24, 56, 150],
    [158, 38, 96, 165],
    [244, 112, 48, 180],
    [255, 232, 120, 205],
  ];
  const at = Math.sqrt(share) * (stops.length - 1),
    i = Math.min(stops.length - 2, Math.floor(at));
  return stops[i].map((value, c) => value + (at - i) * (stops[i + 1][c] - value));
}

function place(id, at) {
  $(id).hidden = !at;
  if (at) Object.assign($(id).style, { left: `${100 * at[0]}%`, top: `${100 * at[1]}%` });
}

// The network sees a square; the drawing lies in its middle
const inDrawing = ([x, y]) => [(x - box.left) / box.width, (y - box.top) / box.height];
const inSquare = ([x, y]) => [box.left + x * box.width, box.top + y * box.height];

/** Point at a place of the drawing, in shares of its width and height. */
function pointAt(at) {
  if (!box) return;
  const inside = at.map((value) => Math.min(0.9999, Math.max(0, value)));
  state.point = inSquare(inside).map((value) => Math.min(0.9999, value));
  look();
  writeAddress();
}

// ---------------------------------------------------------------------------------------------- Drawing

const sheet = $("drawing").getContext("2d", { willReadFrequently: true });
const undos = [];
let cursor = null,
  penDown = false; // of the keyboard, in pixels

const tool = () => document.querySelector("[name=tool]:checked").value;

/** The drawing as grey, {data, width, height}. */
function drawingPixels() {
  const { width, height } = $("drawing"),
    { data } = sheet.getImageData(0, 0, width, height);
  return { data: Uint8Array.from({ length: width * height }, (_, i) => data[4 * i]), width, height };
}

/** Another drawing; one that the person made comes back by undo. */
function setDrawing(grey) {
  if (state.drawing === "own") remember();
  show($("drawing"), grey);
  cursor = null;
  penDown = false;
}

const emptySheet = () => ({ data: new Uint8Array(SHEET * SHEET).fill(255), width: SHEET, height: SHEET });

function remember() {
  undos.push(sheet.getImageData(0, 0, $("drawing").width, $("drawing").height));
  if (undos.length > 30) undos.shift();
  $("undo").disabled = false;
}

function undo() {
  if (!undos.length) return;
  const before = undos.pop(),
    { width, height } = before;
  Object.assign($("drawing"), { width, height });
  sheet.putImageData(before, 0, 0);
  cursor = null;
  $("undo").disabled = !undos.length;
  own("drawing");
  refresh();
}

/** One piece of a line, in pixels of the drawing. */
function stroke(from, to) {
  const scale = Math.max($("drawing").width, $("drawing").height) / SHEET,
    erase = tool() === "eraser";
  Object.assign(sheet, {
    lineCap: "round",
    lineJoin: "round",
    lineWidth: (erase ? 26 : 4.5) * scale,
    strokeStyle: erase ? "#fff" : "#000",
  });
  sheet.beginPath();
  sheet.moveTo(...from);
  sheet.lineTo(...to);
  sheet.stroke();
  own("drawing");
}

/** Where a pointer is, in shares of the canvas. */
function shares(event, canvas) {
  const frame = canvas.getBoundingClientRect();
  return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
}

const pixels = (at) => [at[0] * $("drawing").width, at[1] * $("drawing").height];
const inShares = (at) => [at[0] / $("drawing").width, at[1] / $("drawing").height];

function startDrawing() {
  const canvas = $("drawing");
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return; // nor a palm beside the pen
    canvas.setPointerCapture(event.pointerId);
    if (tool() === "look") return pointAt(shares(event, canvas));
    remember();
    last = pixels(shares(event, canvas));
    stroke(last, last);
    refresh();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (tool() === "look" && (event.buttons || event.pointerType === "mouse")) return pointAt(shares(event, canvas));
    if (!last || !event.isPrimary) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length ? moves : [event]) {
      const next = pixels(shares(move, canvas));
      stroke(last, next);
      last = next;
    }
    refresh();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => event.isPrimary && (last = null));
  canvas.addEventListener("keydown", drawByKey);
  canvas.addEventListener("blur", () => {
    penDown = false;
    $("drawing-place").classList.remove("cursor");
    look();
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function drawByKey(event) {
  const { width, height } = $("drawing"),
    step = (event.shiftKey ? 2 : 8) * (Math.max(width, height) / SHEET);
  if (tool() === "look") return pointByKey(event);
  if (event.key === " ") {
    penDown = !penDown;
    cursor ??= [width / 2, height / 2];
    if (penDown) {
      remember();
      stroke(cursor, cursor);
      refresh();
    }
    say(penDown ? "The pen is down." : "The pen is up.");
  } else if (ARROWS[event.key]) {
    const from = (cursor ??= [width / 2, height / 2]);
    cursor = from.map((value, i) => Math.min([width, height][i], Math.max(0, value + step * ARROWS[event.key][i])));
    if (penDown) {
      stroke(from, cursor);
      refresh();
    }
  } else return;
  event.preventDefault();
  $("drawing-place").classList.add("cursor");
  place("drawing-place", inShares(cursor));
}

function pointByKey(event) {
  if (!ARROWS[event.key] || !box) return;
  event.preventDefault();
  const at = state.point ? inDrawing(state.point) : [0.5, 0.5],
    step = event.shiftKey ? 1 / 128 : 1 / 32;
  pointAt(state.point ? at.map((value, i) => value + step * ARROWS[event.key][i]) : at);
}

// ---------------------------------------------------------------------------------------------- Controls and address

function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

/** Note that the drawing or the reference is the person's own: no address can bring it back. */
function own(what) {
  if (state[what] === "own") return;
  if (pending?.[what] === state[what]) pending[what] = "own"; // a picture is still being read, and not of this
  state[what] = "own";
  pressSamples();
  writeAddress();
}

function pressSamples() {
  for (const what of ["drawing", "reference"])
    [...$(`${what}s`).children].forEach((button, i) => button.setAttribute("aria-pressed", i + 1 === state[what]));
}

let pending = null; // what was chosen while pictures are still being read

/** Set up the page: `changes` to what is chosen, of which only what differs is read. `fresh`: read all of it. */
async function choose(changes, fresh = false) {
  const wanted = (pending = { ...(pending ?? state), note: "", ...changes, fresh: fresh || pending?.fresh });
  const differs = (what) => wanted[what] !== "own" && (wanted.fresh || wanted[what] !== state[what]);
  const sample = manifest.samples[wanted.reference - 1];
  for (const what of Object.keys(opened)) if (what in changes) opened[what]++;
  root.dataset.state = "busy";
  let drawn, seen;
  try {
    if (differs("drawing")) drawn = await readDrawing(wanted.drawing);
    if (differs("reference")) seen = await readSample(sample.color);
  } catch (error) {
    if (wanted !== pending) return;
    pending = null;
    root.dataset.state = "ready";
    showChoice();
    return say(`The sample could not be read: ${error.message}`, true);
  }
  if (wanted !== pending) return; // something else was chosen meanwhile, on top of this
  pending = null;
  if (drawn) setDrawing(drawn);
  Object.assign(state, wanted, { fresh: false });
  if (seen) setReference(seen, sample.palette);
  showChoice();
  writeAddress();
  await refresh();
}

/** Of a sample the first of its three equal channels; number 0 is an empty sheet. */
async function readDrawing(number) {
  if (!number) return emptySheet();
  const { data, width, height } = await readSample(manifest.samples[number - 1].line);
  return { data: data.filter((_, i) => i % 3 === 0), width, height };
}

function setReference(picture, colors) {
  reference = { picture, palette: colors };
  palette = colors.map((color) => [...color]);
}

/** The controls as the state is. */
function showChoice() {
  show($("reference"), seenReference());
  $("mirror").setAttribute("aria-pressed", state.mirror);
  $("method").value = state.method;
  $("about").textContent = ABOUT[networkOf(state.method).method] ?? "";
  document.querySelector(`[name=finish][value=${state.finish}]`).checked = true;
  $("pictures")
    .querySelectorAll("button")
    .forEach((button) => button.setAttribute("aria-pressed", button.dataset.method === state.method));
  document.querySelectorAll(".story li").forEach((item) => {
    const now = new URLSearchParams(item.firstElementChild.hash.slice(1)).get("step") === String(state.step);
    item.classList.toggle("now", now);
    if (now) item.firstElementChild.setAttribute("aria-current", "step");
    else item.firstElementChild.removeAttribute("aria-current");
  });
  pressSamples();
  showPalette();
}

const hex = (color) => `#${color.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;

function showPalette() {
  document.querySelectorAll("#swatches input").forEach((input, i) => {
    input.value = hex(palette[i]);
    input.parentElement.style.background = input.value;
  });
  $("palette-reset").disabled = palette.every((color, i) => hex(color) === hex(reference.palette[i]));
}

function changeSwatch(i, value) {
  palette[i] = [1, 3, 5].map((at) => parseInt(value.slice(at, at + 2), 16));
  showPalette();
  refresh();
}

let writing = 0;

/** What is chosen, in the address, so that it can be sent to somebody; what is the person's own is left out. */
function writeAddress() {
  clearTimeout(writing);
  writing = setTimeout(writeAddressNow, 150); // browsers refuse an address that changes with every move of a pointer
}

function writeAddressNow() {
  const words = new URLSearchParams();
  if (state.step) words.set("step", state.step);
  for (const what of ["drawing", "reference"]) if (state[what] !== "own") words.set(what, state[what]);
  if (state.mirror) words.set("mirror", 1);
  words.set("method", state.method);
  words.set("finish", state.finish);
  if (state.point) words.set("point", state.point.map((value) => Math.min(0.999, value).toFixed(3)).join());
  history.replaceState(null, "", `#${words}`.replaceAll("%2C", ","));
}

/** What the address says; for what it does not say or what there is not, the values at the start. */
function readAddress(hash = location.hash) {
  const words = new URLSearchParams(hash.slice(1)),
    samples = manifest.samples.length;
  const number = (name, low, high, otherwise) => {
    const value = Number(words.get(name) ?? NaN);
    return Number.isInteger(value) && value >= low && value <= high ? value : otherwise;
  };
  const point = (words.get("point") ?? "").split(",").map(Number);
  const best = ["toon-lines-warped", "toon-image-warped"].find(networkOf) ?? manifest.networks[0].name;
  return {
    step: number("step", 1, 5, 0),
    drawing: number("drawing", 0, samples, 1),
    reference: number("reference", 1, samples, 4),
    mirror: words.get("mirror") === "1",
    method: networkOf(words.get("method")) ? words.get("method") : best,
    finish: words.get("finish") === "flat" ? "flat" : "smooth",
    point: point.length === 2 && point.every((value) => value >= 0 && value < 1) ? point : null,
  };
}

const opened = { drawing: 0, reference: 0 }; // how often one was chosen

/** A file that was chosen or dropped, as drawing or reference. */
async function openFile(what, file) {
  if (!file) return;
  const turn = ++opened[what];
  try {
    const picture = await readPicture(file, file.name);
    if (turn !== opened[what]) return; // another one was chosen meanwhile
    let note = `“${file.name}” is open as the ${what}.`;
    if (what === "drawing") {
      const [grey, done] = cleanDrawing(picture);
      setDrawing(grey);
      note = `${note} ${done}`.trim();
      if (Math.max(grey.width, grey.height) > 2 * Math.min(grey.width, grey.height))
        note += " It is a strip, which the command line colours better: in squares.";
    } else setReference(picture, extractPalette(picture));
    await choose({ [what]: "own", point: null, note });
  } catch (error) {
    say(error instanceof Refused ? error.message : `“${file.name}” could not be opened: ${error.message}`, true);
  }
}

function fillControls() {
  const families = { toon: "Toon characters", faces: "Anime faces" };
  for (const data of new Set(manifest.networks.map((network) => network.data))) {
    const group = element("optgroup", { label: families[data] ?? data });
    for (const network of manifest.networks.filter((other) => other.data === data))
      group.append(element("option", { value: network.name, textContent: network.title }));
    $("method").append(group);
  }
  manifest.samples.forEach((sample, i) => {
    for (const [what, picture] of [
      ["drawing", sample.line],
      ["reference", sample.color],
    ]) {
      const button = element("button", {
        title: `${sample.name}, after ${sample.artist} (${sample.licence})`,
        onclick: () => choose({ [what]: i + 1, point: null }),
      });
      button.append(element("img", { src: picture, alt: sample.name, loading: "lazy" }));
      $(`${what}s`).append(button);
    }
  });
  for (let i = 0; i < 9; i++) {
    const label = element("label", { title: `Colour ${i + 1} of 9` });
    label.append(
      element("b"),
      element("input", {
        type: "color",
        ariaLabel: `Colour ${i + 1} of 9`,
        oninput: (event) => changeSwatch(i, event.target.value),
      }),
    );
    $("swatches").append(label);
  }
  document.querySelectorAll("[data-needs]").forEach((item) => networkOf(item.dataset.needs) || item.remove());
  document.querySelectorAll("[data-without]").forEach((item) => networkOf(item.dataset.without) && item.remove());
  document
    .querySelectorAll(".story li")
    .forEach(
      (item) => networkOf(new URLSearchParams(item.firstElementChild.hash.slice(1)).get("method")) || item.remove(),
    );
}

function listen() {
  $("method").onchange = () => choose({ method: $("method").value });
  document
    .querySelectorAll("[name=finish]")
    .forEach((radio) => (radio.onchange = () => choose({ finish: radio.value })));
  $("mirror").onclick = () => choose({ mirror: !state.mirror });
  $("undo").onclick = undo;
  $("clear").onclick = () => choose({ drawing: 0, point: null });
  $("palette-reset").onclick = () => {
    setReference(reference.picture, reference.palette);
    choose({});
  };
  $("compare").onclick = () => {
    $("gallery").hidden = !$("gallery").hidden;
    $("compare").setAttribute("aria-pressed", !$("gallery").hidden);
    $("pictures").replaceChildren();
    refresh();
  };
  $("download").onclick = () =>
    element("a", { download: "lineart.png", href: $("result").toDataURL("image/png") }).click();
  document.querySelectorAll(".story a").forEach((link) => {
    link.onclick = (event) => {
      event.preventDefault();
      choose(readAddress(link.hash), true);
    };
  });
  addEventListener("hashchange", () => choose(readAddress(), true));
  for (const what of ["drawing", "reference"]) {
    const input = $(`${what}-file`),
      panel = $(`${what}-panel`);
    input.onchange = () => openFile(what, input.files[0]).finally(() => (input.value = "")); // to be chosen again
    panel.ondrop = (event) => openFile(what, event.dataTransfer.files[0]);
  }
  for (const kind of ["dragover", "drop"]) // beside the panels the browser would leave the page for the file
    addEventListener(kind, (event) => event.preventDefault());
  const point = (event) => (event.buttons || event.pointerType === "mouse") && pointAt(shares(event, $("result")));
  $("result").addEventListener("pointermove", point);
  $("result").addEventListener("pointerdown", point);
  $("result").addEventListener("keydown", pointByKey);
  addEventListener("keydown", (event) => {
    if (event.target.matches("input:not([type=radio]), select")) return;
    const tools = { p: "pen", e: "eraser", l: "look" };
    if ((event.ctrlKey || event.metaKey) && event.key === "z") undo();
    else if (!event.ctrlKey && !event.metaKey && !event.altKey && tools[event.key])
      document.querySelector(`[name=tool][value=${tools[event.key]}]`).click();
  });
}

// ---------------------------------------------------------------------------------------------- Start

async function start() {
  startRuntime().catch(() => {}); // on its way already
  manifest = await (await fetch("studio.json")).json();
  const chosen = readAddress();
  session(networkOf(chosen.method)).catch(() => {}); // on its way while the pictures load; `colour` reports a failure
  fillControls();
  listen();
  startDrawing();
  await choose(chosen, true);
}

start().catch((error) => say(`The studio could not start: ${error.message}`, true));
