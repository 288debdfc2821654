// Unsaved work in the browser's own database: it outlives a reload, a closed tab and a lost server.
//
// A draft is kept as the slices that differ from the prediction, which comes with every scan: nothing else is needed to
// restore it. Each change writes its own slices and the draft's facts in one transaction.

const DATABASE = "gutcheck-corrections";
const DRAFTS = "drafts";
const SLICES = "slices";

/**
 * @typedef {object} Facts
 * @property {string} at ISO 8601, when it was changed last
 * @property {{kind: string, sha256: string | null}} base
 * @property {number} seconds of work
 * @property {[number, number[]][]} drawn slices drawn on, by organ
 * @property {string} event the id under which it will be stored: sent twice, it is stored once
 */

function promised(request) {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

function finished(transaction) {
  return new Promise((done, failed) => {
    transaction.oncomplete = () => done();
    transaction.onerror = transaction.onabort = () => failed(transaction.error);
  });
}

export class Drafts {
  static async open() {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(DRAFTS);
      request.result.createObjectStore(SLICES);
    };
    const drafts = new Drafts();
    drafts.database = await promised(request);
    return drafts;
  }

  /**
   * Writes what changed. Resolves once it is on disk.
   * @param {string} key the scan's version and the reader
   * @param {Facts} facts
   * @param {Map<number, Uint8Array | null>} slices packed by position; null for one that is as predicted
   */
  put(key, facts, slices) {
    const transaction = this.database.transaction([DRAFTS, SLICES], "readwrite", { durability: "strict" });
    transaction.objectStore(DRAFTS).put(facts, key);
    const store = transaction.objectStore(SLICES);
    for (const [z, packed] of slices) {
      if (packed) store.put(packed, [key, z]);
      else store.delete([key, z]);
    }
    transaction.commit(); // does not wait for this page's next turn, which may never come
    return finished(transaction);
  }

  /** @returns {Promise<{facts: Facts, slices: Map<number, Uint8Array>} | null>} */
  async get(key) {
    const transaction = this.database.transaction([DRAFTS, SLICES]);
    const facts = promised(transaction.objectStore(DRAFTS).get(key));
    const range = slicesOf(key);
    const positions = promised(transaction.objectStore(SLICES).getAllKeys(range));
    const packed = promised(transaction.objectStore(SLICES).getAll(range));
    const [found, keys, values] = await Promise.all([facts, positions, packed]);
    return found ? { facts: found, slices: new Map(keys.map(([, z], i) => [z, values[i]])) } : null;
  }

  /** The keys that begin so. @returns {Promise<string[]>} */
  keysFrom(start) {
    return promised(this.database.transaction(DRAFTS).objectStore(DRAFTS).getAllKeys(IDBKeyRange.bound(start, `${start}\uffff`)));
  }

  delete(key) {
    const transaction = this.database.transaction([DRAFTS, SLICES], "readwrite", { durability: "strict" });
    transaction.objectStore(DRAFTS).delete(key);
    transaction.objectStore(SLICES).delete(slicesOf(key));
    transaction.commit();
    return finished(transaction);
  }

  close() {
    this.database.close();
  }
}

function slicesOf(key) {
  return IDBKeyRange.bound([key, 0], [key, Infinity]);
}
