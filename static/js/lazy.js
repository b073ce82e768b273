// @ts-check
// Parts of the page that are fetched when somebody wants them, so that the first drawing waits only for what it shows.

/** Something that is fetched once; an attempt that failed is forgotten. @template T */
export class Lazy {
  /** @param {() => Promise<T>} fetch */
  constructor(fetch) {
    this.fetch = fetch;
    /** @type {T|null} */ this.value = null;
    /** @type {Promise<T>|null} */ this.under = null;
  }

  /** @returns {Promise<T>} */
  load() {
    this.under ??= this.fetch().then(
      (value) => (this.value = value),
      (error) => {
        this.under = null;
        throw error;
      },
    );
    return this.under;
  }
}

/**
 * A style sheet or script of the template of `index.html`, which no module can import: no script makes an address.
 * @param {string} name its `data-part`
 */
const part = (name) =>
  new Lazy(
    () =>
      new Promise((/** @type {(nothing: void) => void} */ done, failed) => {
        const template = document.getElementById('later');
        const named = template instanceof HTMLTemplateElement ? template.content.querySelector(`[data-part="${name}"]`) : null;
        if (named === null) throw new Error(`The page names no ${name}`);
        const element = document.importNode(named, true);
        element.addEventListener('load', () => done());
        element.addEventListener('error', () => {
          element.remove();
          failed(new Error(`${name} did not come`));
        });
        document.head.append(element);
      }),
  );

/** One for all who want the same. @type {Map<string, Lazy<void>>} */
const parts = new Map();

/**
 * Fetches parts all at once. Of style sheets the last has the last word, so that what several screens share is named
 * before what is a screen's own.
 * @param {...string} names
 */
export async function bring(...names) {
  await Promise.all(
    names.map((name) => {
      const wanted = parts.get(name) ?? part(name);
      parts.set(name, wanted);
      return wanted.load();
    }),
  );
}

/** The parts that a chart is drawn with. */
export const charts = ['uplot', 'uplot-sheet', 'chart'];
