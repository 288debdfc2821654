// One tab at a time works on a draft: two would write over each other's.

const TRIES = 5;
const PAUSE_MS = 100;

/** The lock of one scan, asked for once however many ask. */
export class Hold {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    /** @type {Promise<(() => void) | null>} gives it back; null where another tab holds it */
    this.release = ask(name);
  }

  /** Gives it back, also where it is still being asked for. */
  letGo() {
    this.release.then((release) => release?.());
  }
}

/** @param {string} name @returns {Promise<(() => void) | null>} */
async function ask(name) {
  if (!navigator.locks) return () => {}; // offered to secure pages only
  for (let tries = 1; ; tries++) {
    const release = await request(name);
    if (release || tries === TRIES) return release;
    // The viewer that this tab showed a moment ago may be giving it back.
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

/** @param {string} name @returns {Promise<(() => void) | null>} */
function request(name) {
  return new Promise((done) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) return done(null);
      return new Promise((/** @type {(value?: unknown) => void} */ release) => done(release));
    });
  });
}
