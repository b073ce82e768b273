// @ts-check
// Reads a tool's output: colours (SGR) become class names, every other terminal sequence is dropped. Pure and
// incremental: a sequence may be cut anywhere between two pieces. Bounded: a sequence that does not end gives up.

/** Longest parameter part of a CSI sequence, in characters. */
const CSI_LIMIT = 128;
/** Longest OSC, DCS, APC, PM or SOS string that is swallowed, in characters. */
const STRING_LIMIT = 4_096;

/**
 * @typedef {{kind: 'text', text: string, classes: string}} Text
 * @typedef {{kind: 'newline'}} Newline
 * @typedef {{kind: 'return'}} Return
 * @typedef {Text|Newline|Return} Token
 */

/** The sixteen colours as most terminals show them, for finding the nearest. */
const BASE = [
  [0, 0, 0],
  [205, 49, 49],
  [13, 188, 121],
  [229, 229, 16],
  [36, 114, 200],
  [188, 63, 188],
  [17, 168, 205],
  [229, 229, 229],
  [102, 102, 102],
  [241, 76, 76],
  [35, 209, 139],
  [245, 245, 67],
  [59, 142, 234],
  [214, 112, 214],
  [41, 184, 219],
  [255, 255, 255],
];

/** @param {number} r @param {number} g @param {number} b */
function nearest(r, g, b) {
  let best = 7;
  let least = Infinity;
  BASE.forEach(([x, y, z], i) => {
    const d = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
    if (d < least) {
      least = d;
      best = i;
    }
  });
  return best;
}

/** One of 256 colours as one of sixteen. @param {number} n */
function of256(n) {
  if (n < 16) return n;
  if (n >= 232) {
    const grey = 8 + (n - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const level = (/** @type {number} */ i) => (i === 0 ? 0 : 55 + i * 40);
  const i = n - 16;
  return nearest(level(Math.floor(i / 36)), level(Math.floor(i / 6) % 6), level(i % 6));
}

/** @param {number} n */
const byte = (n) => Number.isInteger(n) && n >= 0 && n <= 255;

/** An incremental reader of one stream. */
export class Ansi {
  constructor() {
    /** @type {Set<string>} */ this.flags = new Set();
    /** Class names of the text that is read now. */
    this.classes = '';
    this.mode = 'text';
    this.parameters = '';
    this.swallowed = 0;
    this.reset();
  }

  /** Back to plain text. */
  reset() {
    /** @type {number|null} */ this.fg = null;
    /** @type {number|null} */ this.bg = null;
    this.flags.clear();
    this.classes = '';
  }

  /**
   * Reads the next piece.
   * @param {string} piece
   * @returns {Token[]}
   */
  read(piece) {
    /** @type {Token[]} */
    const tokens = [];
    let from = -1;
    const flush = (/** @type {number} */ to) => {
      if (from >= 0 && to > from) {
        tokens.push({ kind: 'text', text: piece.slice(from, to), classes: this.classes });
      }
      from = -1;
    };
    for (let i = 0; i < piece.length; i += 1) {
      const c = piece.charCodeAt(i);
      if (this.mode !== 'text') {
        // A line feed ends what never ended, so that one broken sequence cannot hide what follows.
        if (c !== 0x0a || this.mode === 'csi' || this.mode === 'escape') {
          this.inSequence(c);
          if (c !== 0x0a) continue;
        }
        this.mode = 'text';
      }
      if (c >= 0x20 && c < 0x7f) {
        if (from < 0) from = i;
      } else if (c === 0x0a) {
        flush(i);
        tokens.push({ kind: 'newline' });
      } else if (c === 0x0d) {
        flush(i);
        tokens.push({ kind: 'return' });
      } else if (c === 0x09 || c > 0x9f) {
        if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) flush(i);
        else if (from < 0) from = i;
      } else {
        flush(i);
        this.control(c);
      }
    }
    flush(piece.length);
    return tokens;
  }

  /** A control character in plain text: opens a sequence or is dropped. @param {number} c */
  control(c) {
    if (c === 0x1b) this.mode = 'escape';
    else if (c === 0x9b) this.open('csi');
    else if (c === 0x90 || c === 0x98 || c === 0x9d || c === 0x9e || c === 0x9f) this.open('string');
  }

  /** @param {string} mode */
  open(mode) {
    this.mode = mode;
    this.parameters = '';
    this.swallowed = 0;
  }

  /** @param {number} c */
  inSequence(c) {
    if (c === 0x18 || c === 0x1a) this.mode = 'text';
    else if (this.mode === 'escape') this.afterEscape(c);
    else if (this.mode === 'csi') this.inCsi(c);
    else if (this.mode === 'charset') this.mode = 'text';
    else this.inString(c);
  }

  /** @param {number} c */
  afterEscape(c) {
    if (c === 0x5b) this.open('csi');
    else if (c === 0x5d || c === 0x50 || c === 0x58 || c === 0x5e || c === 0x5f) this.open('string');
    else if (c >= 0x20 && c <= 0x2f) this.mode = 'charset';
    else if (c !== 0x1b) this.mode = 'text';
  }

  /** @param {number} c */
  inCsi(c) {
    if (c === 0x1b) this.mode = 'escape';
    else if (c >= 0x40 && c <= 0x7e) {
      this.mode = 'text';
      if (c === 0x6d) this.sgr(this.parameters);
    } else if (c >= 0x20 && c <= 0x3f && this.parameters.length < CSI_LIMIT) {
      this.parameters += String.fromCharCode(c);
    } else if (c >= 0x20) this.mode = 'text';
  }

  /** @param {number} c */
  inString(c) {
    this.swallowed += 1;
    if (c === 0x07 || c === 0x9c || this.swallowed > STRING_LIMIT) this.mode = 'text';
    else if (c === 0x1b) this.mode = 'escape';
  }

  /** Selects colours and weights. @param {string} parameters */
  sgr(parameters) {
    if (!/^[0-9;:]*$/.test(parameters)) return;
    const n = parameters.split(/[;:]/).map((p) => (p === '' ? 0 : Number(p)));
    for (let i = 0; i < n.length; i += 1) {
      const p = n[i];
      if (p === 38 || p === 48) {
        const { colour, used } = extended(n, i);
        if (colour !== null) this[p === 38 ? 'fg' : 'bg'] = colour;
        i += used;
      } else this.simple(p);
    }
    const classes = [...this.flags];
    if (this.fg !== null) classes.push(`fg-${this.fg}`);
    if (this.bg !== null) classes.push(`bg-${this.bg}`);
    this.classes = classes.join(' ');
  }

  /** @param {number} p */
  simple(p) {
    const on = SET[p];
    if (p === 0) this.reset();
    else if (on) this.flags.add(on);
    else if (CLEAR[p]) CLEAR[p].forEach((flag) => this.flags.delete(flag));
    else if (p >= 30 && p <= 37) this.fg = p - 30;
    else if (p >= 40 && p <= 47) this.bg = p - 40;
    else if (p >= 90 && p <= 97) this.fg = p - 82;
    else if (p >= 100 && p <= 107) this.bg = p - 92;
    else if (p === 39) this.fg = null;
    else if (p === 49) this.bg = null;
  }
}

/** @type {Record<number, string>} */
const SET = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'strike' };
/** @type {Record<number, string[]>} */
const CLEAR = { 22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['strike'] };

/**
 * `38;5;n` and `38;2;r;g;b`: the nearest of sixteen, and how many parameters were used.
 * @param {number[]} n
 * @param {number} i
 */
function extended(n, i) {
  if (n[i + 1] === 5) return { colour: byte(n[i + 2]) ? of256(n[i + 2]) : null, used: 2 };
  if (n[i + 1] === 2) {
    const [r, g, b] = n.slice(i + 2, i + 5);
    return { colour: byte(r) && byte(g) && byte(b) ? nearest(r, g, b) : null, used: 4 };
  }
  return { colour: null, used: 1 };
}
