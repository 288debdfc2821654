// One tab at a time works on a draft: two would write over each other's.

/**
 * @param {string} name
 * @returns {Promise<(() => void) | null>} gives it back; null where another tab holds it
 */
export function hold(name) {
  if (!navigator.locks) return Promise.resolve(() => {}); // offered to secure pages only
  return new Promise((done) => {
    navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) return done(null);
      return new Promise((release) => done(release));
    });
  });
}
