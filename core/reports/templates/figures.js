// Draws each figure from the JSON beside it. The policy of the page lets no other script run.
for (const holder of document.querySelectorAll("figure.figure")) {
  const { data, layout } = JSON.parse(holder.querySelector('script[type="application/json"]').textContent);
  Plotly.newPlot(holder.querySelector("div"), data, layout, { displaylogo: false, responsive: true, displayModeBar: false });
}
