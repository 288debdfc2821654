// Makes a click in any cell of a table, and Enter on the row in focus, choose the row: the table itself takes the box before
// the row and Shift+Space on the row in focus, so this presses Shift+Space.

const HEAD_PX = 36; // the row of column names
const GRID = "canvas[data-testid=data-grid-canvas]";

/**
 * @typedef {object} Component what Streamlit hands over at each rerun
 * @property {{table: string}} data key of the container of the table
 * @property {HTMLElement} parentElement
 */

/**
 * The width of the boxes before the rows, which the table takes by itself; it grows with the number of rows.
 * @param {Element} grid
 */
function boxesWidth(grid) {
  const rows = Number(grid.querySelector("[role=grid]")?.getAttribute("aria-rowcount")) - 1;
  return rows > 10_000 ? 48 : rows > 1000 ? 44 : rows > 100 ? 36 : 32;
}

/** @param {Element} grid @param {MouseEvent} event */
function isCell(grid, event) {
  const scroller = /** @type {Element} */ (event.target).closest(".dvn-scroller");
  if (!scroller) return false; // a button over the table, or a column's menu
  const { left, top } = scroller.getBoundingClientRect();
  const [x, y] = [event.clientX - left, event.clientY - top];
  return y > HEAD_PX && y < scroller.clientHeight && x > boxesWidth(grid) && x < scroller.clientWidth; // no scroll bar
}

/** @param {Element} grid */
function choose(grid) {
  const key = { key: " ", code: "Space", keyCode: 32, shiftKey: true, bubbles: true, cancelable: true };
  grid.dispatchEvent(new KeyboardEvent("keydown", key));
}

/** @param {Component} component */
export default function ({ data, parentElement }) {
  const page = /** @type {Document & {gutcheckTables?: Record<string, AbortController>}} */ (parentElement.ownerDocument);
  const tables = (page.gutcheckTables ??= {});
  tables[data.table]?.abort(); // Streamlit calls again at a rerun, and a row that is chosen twice is not chosen
  const listening = (tables[data.table] = new AbortController());
  const options = { capture: true, signal: listening.signal };
  const gridAt = (/** @type {Event} */ { target }) =>
    target instanceof Element ? target.closest(`.st-key-${data.table}`)?.querySelector(GRID) : null;
  window.addEventListener("click", (event) => {
    const grid = gridAt(event);
    const plain = event.button === 0 && event.detail === 1 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (grid && plain && isCell(grid, event)) queueMicrotask(() => choose(grid)); // the button that went down has moved the focus
  }, options);
  window.addEventListener("keydown", (event) => {
    const grid = gridAt(event);
    // The focus is on the canvas or, a moment later, on the cell in it that screen readers meet.
    if (!grid?.contains(/** @type {Node} */ (event.target)) || event.key !== "Enter" || !event.isTrusted) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // Enter is the page's key for the next case, too
    choose(grid);
  }, options);
  return () => listening.abort();
}
