// The view as part of a link: what differs from the usual, in letters that an address keeps as they are.

import { CONTENTS, MOST_PANES } from "./layout.js";
import { PLANES } from "./planes.js";

/** @import { PaneChoice, View } from "./types.d.ts" */

const FIELDS = "~";
const ITEMS = ".";

/** The view that a reader meets who has changed nothing. @returns {View} */
export function usualView() {
  return {
    at: { x: -1, y: -1, z: 0 },
    panes: [{ content: "reference", plane: "axial" }, { content: "prediction", plane: "axial" }],
    organs: new Set([1, 2, 3]), opacity: 0.45, mode: "fill", hidden: false, cross: false,
    window: null, zoom: 1, centre: null, other: null, picked: null,
  };
}

/**
 * Each part of the view: its text, and what it makes of a text; null where a text makes no sense.
 * @type {Record<string, {write: (view: View) => string, read: (text: string) => Partial<View> | null}>}
 */
const PARTS = {
  panes: {
    write: ({ panes }) => panes.map(({ content, plane }) => `${content}-${plane}`).join(ITEMS),
    read: (text) => {
      const words = text.split(ITEMS).map((pane) => pane.split("-"));
      const known = words.every(([content, plane]) => Object.hasOwn(CONTENTS, content) && Object.hasOwn(PLANES, plane));
      const panes = /** @type {PaneChoice[]} */ (words.map(([content, plane]) => ({ content, plane })));
      return panes.length <= MOST_PANES && known ? { panes } : null;
    },
  },
  organs: {
    write: ({ organs }) => [...organs].sort().join(""),
    read: (text) => (/^[123]{0,3}$/.test(text) ? { organs: new Set([...text].map(Number)) } : null),
  },
  opacity: { write: ({ opacity }) => percent(opacity), read: (text) => share(text, 0, 100, (opacity) => ({ opacity })) },
  style: { write: ({ mode }) => mode, read: (text) => (text === "fill" || text === "contour" ? { mode: text } : null) },
  cross: { write: ({ cross }) => (cross ? "on" : "off"), read: (text) => ({ cross: text === "on" }) },
  window: {
    write: ({ window }) => (window ? `${Math.round(window.low)}${ITEMS}${Math.round(window.high)}` : ""),
    read: (text) => numbers(text, 2, ([low, high]) => (low < high ? { window: { low, high } } : null)),
  },
  zoom: { write: ({ zoom }) => percent(zoom), read: (text) => share(text, 100, 3200, (zoom) => ({ zoom })) },
  centre: {
    write: ({ centre }) => (centre ? [centre.x, centre.y, centre.z].map(Math.round).join(ITEMS) : ""),
    read: (text) => numbers(text, 3, ([x, y, z]) => ({ centre: { x, y, z } })),
  },
  at: {
    write: ({ at, cross, panes }) =>
      at.x >= 0 && (cross || panes.some(({ plane }) => plane !== "axial")) ? `${at.x}${ITEMS}${at.y}` : "",
    read: (text) => numbers(text, 2, ([x, y]) => ({ at: { x, y, z: 0 } })),
  },
  other: { write: ({ other }) => other ?? "", read: (text) => (text ? { other: text } : null) },
};

/** @param {View} view */
export function writeLink(view) {
  const usual = usualView();
  return Object.entries(PARTS)
    .filter(([, { write }]) => write(view) !== write(usual))
    .map(([name, { write }]) => `${name}:${write(view)}`)
    .join(FIELDS);
}

/** The view of a link; what it does not say, or not sensibly, is as usual. @param {string} text @returns {View} */
export function readLink(text) {
  const view = usualView();
  for (const field of String(text).split(FIELDS)) {
    const [name, ...rest] = field.split(":");
    if (Object.hasOwn(PARTS, name)) Object.assign(view, PARTS[name].read(rest.join(":")));
  }
  return view;
}

const percent = (/** @type {number} */ value) => String(Math.round(100 * value));

/**
 * What to make of a number of percent, where a text is one.
 * @param {string} text @param {number} least @param {number} most @param {(share: number) => Partial<View>} use
 */
function share(text, least, most, use) {
  const number = Number(text);
  return text && number >= least && number <= most ? use(number / 100) : null;
}

/**
 * What to make of so many whole numbers, where a text is that.
 * @param {string} text @param {number} count @param {(numbers: number[]) => Partial<View> | null} use
 */
function numbers(text, count, use) {
  const items = text.split(ITEMS);
  return items.length === count && items.every((item) => /^-?\d{1,6}$/.test(item)) ? use(items.map(Number)) : null;
}
