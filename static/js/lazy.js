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

/** The library of the charts is no module. Its element stands in a template of `index.html`: no script makes an address. */
export const uplot = new Lazy(
  () =>
    new Promise((/** @type {(nothing: void) => void} */ done, failed) => {
      const template = document.getElementById('uplot');
      const script = template instanceof HTMLTemplateElement ? template.content.firstElementChild?.cloneNode(true) : null;
      if (!(script instanceof HTMLScriptElement)) throw new Error('The page names no library of charts');
      script.addEventListener('load', () => done());
      script.addEventListener('error', () => {
        script.remove();
        failed(new Error('The library of the charts did not come'));
      });
      document.head.append(script);
    }),
);
