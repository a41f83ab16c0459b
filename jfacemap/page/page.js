"use strict";
const drawn = [];
for (const data of document.querySelectorAll("script.drawing")) {
  const place = document.getElementById(data.dataset.for);
  const [traces, layout] = JSON.parse(data.textContent);
  Plotly.newPlot(place, traces, layout, { displaylogo: false, responsive: true, displayModeBar: "hover" });
  drawn.push(place);
}

// Numbers by value and unknown ones last, words by the alphabet; equal rows keep their order.
function sort(table, column, down) {
  const body = table.tBodies[0];
  const value = (row) => row.cells[column].dataset.value;
  const rows = [...body.rows];
  const numeric = rows.every((row) => value(row) === "" || !isNaN(value(row)));
  const order = (a, b) => (numeric ? a - b : a.localeCompare(b));
  rows.sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === "" || b === "") return (a === "") - (b === "");
    return down ? order(b, a) : order(a, b);
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : head.classList.contains("number");
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, column, down);
    });
  });
}

// A table wider than its place says so.
const tell = () => {
  for (const place of document.querySelectorAll(".scroll"))
    place.classList.toggle("wide", place.scrollWidth > place.clientWidth + 1);
};
for (const folded of document.querySelectorAll("details")) folded.addEventListener("toggle", tell);
addEventListener("resize", tell);
tell();

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => {
    const text = button.parentElement.querySelector("pre");
    const chosen = getSelection();
    chosen.selectAllChildren(text);
    document.execCommand("copy");
    button.textContent = "Copied";
  });
}

addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not(.latex, .parts)")) folded.open = true;
  for (const place of drawn) Plotly.Plots.resize(place);
});
