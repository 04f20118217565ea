// Tables are sorted by a click on a heading, once more for the other direction. Cells without a number come last.
"use strict";
(() => {
  function key(row, index) {
    const cell = row.cells[index];
    const held = cell.querySelector("data");
    return held ? Number(held.value) : cell.classList.contains("number") ? null : cell.textContent;
  }

  function compare(one, two) {
    if (one === null || two === null) return (one === null) - (two === null);
    return typeof one === "number" ? one - two : String(one).localeCompare(String(two), "en", { numeric: true });
  }

  function sort(table, head, index) {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [one, two] = [key(a, index), key(b, index)];
      return one === null || two === null || !down ? compare(one, two) : compare(two, one);
    });
    table.tBodies[0].append(...rows);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, index));
      head.append(button);
    });
  }
})();
