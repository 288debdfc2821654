// Unsaved work in the browser's own database: it outlives a reload, a closed tab and a lost server.
//
// A draft is kept as the slices that differ from the prediction, which comes with every scan: nothing else is needed to
// restore it. Each change writes its own slices and the draft's facts in one transaction.

const DATABASE = "gutcheck-corrections";
const DRAFTS = "drafts";
const SLICES = "slices";

/** @import { Draft, Facts } from "../types.d.ts" */

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function promised(request) {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function finished(transaction) {
  return new Promise((done, failed) => {
    transaction.oncomplete = () => done();
    transaction.onerror = transaction.onabort = () => failed(transaction.error);
  });
}

export class Drafts {
  /** @param {IDBDatabase} database */
  constructor(database) {
    this.database = database;
  }

  static async open() {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(DRAFTS);
      request.result.createObjectStore(SLICES);
    };
    return new Drafts(await promised(request));
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

  /** @param {string} key @returns {Promise<Draft | null>} */
  async get(key) {
    const transaction = this.database.transaction([DRAFTS, SLICES]);
    /** @type {Promise<Facts | undefined>} */
    const facts = promised(transaction.objectStore(DRAFTS).get(key));
    const range = slicesOf(key);
    const positions = /** @type {Promise<[string, number][]>} */ (promised(transaction.objectStore(SLICES).getAllKeys(range)));
    const packed = promised(transaction.objectStore(SLICES).getAll(range));
    const [known, keys, values] = await Promise.all([facts, positions, packed]);
    return known ? { key, facts: known, slices: new Map(keys.map(([, z], i) => [z, values[i]])) } : null;
  }

  /** The keys that begin so. @param {string} start @returns {Promise<string[]>} */
  keysFrom(start) {
    const range = IDBKeyRange.bound(start, `${start}\uffff`);
    return /** @type {Promise<string[]>} */ (promised(this.database.transaction(DRAFTS).objectStore(DRAFTS).getAllKeys(range)));
  }

  /** @param {string} key */
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

/** @param {string} key */
function slicesOf(key) {
  return IDBKeyRange.bound([key, 0], [key, Infinity]);
}
