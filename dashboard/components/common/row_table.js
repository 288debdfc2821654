// Makes a click in any cell of a table, and Enter on the row in focus, choose the row: the table itself takes the box before
// the row and Shift+Space on the row in focus, so this presses Shift+Space.

const HEAD_PX = 36; // the row of column names
const GRID = "canvas[data-testid=data-grid-canvas]";

/** The width of the boxes before the rows, which the table takes by itself; it grows with the number of rows. */
function boxesWidth(grid) {
  const rows = Number(grid.querySelector("[role=grid]")?.getAttribute("aria-rowcount")) - 1;
  return rows > 10_000 ? 48 : rows > 1000 ? 44 : rows > 100 ? 36 : 32;
}

function isCell(grid, event) {
  const scroller = event.target.closest(".dvn-scroller");
  if (!scroller) return false; // a button over the table, or a column's menu
  const { left, top } = scroller.getBoundingClientRect();
  const [x, y] = [event.clientX - left, event.clientY - top];
  return y > HEAD_PX && y < scroller.clientHeight && x > boxesWidth(grid) && x < scroller.clientWidth; // no scroll bar
}

function choose(grid) {
  const key = { key: " ", code: "Space", keyCode: 32, shiftKey: true, bubbles: true, cancelable: true };
  grid.dispatchEvent(new KeyboardEvent("keydown", key));
}

export default function ({ data, parentElement }) {
  const page = parentElement.ownerDocument;
  const tables = (page.gutcheckTables ??= {});
  tables[data.table]?.abort(); // Streamlit calls again at a rerun, and a row that is chosen twice is not chosen
  const listening = (tables[data.table] = new AbortController());
  const options = { capture: true, signal: listening.signal };
  const gridAt = (event) => event.target.closest?.(`.st-key-${data.table}`)?.querySelector(GRID);
  page.defaultView.addEventListener("click", (event) => {
    const grid = gridAt(event);
    const plain = event.button === 0 && event.detail === 1 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (grid && plain && isCell(grid, event)) queueMicrotask(() => choose(grid)); // the button that went down has moved the focus
  }, options);
  page.defaultView.addEventListener("keydown", (event) => {
    const grid = gridAt(event);
    // The focus is on the canvas or, a moment later, on the cell in it that screen readers meet.
    if (!grid?.contains(event.target) || event.key !== "Enter" || !event.isTrusted) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // Enter is the page's key for the next case, too
    choose(grid);
  }, options);
  return () => listening.abort();
}
