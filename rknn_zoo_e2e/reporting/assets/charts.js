// A chart shows a table of the page: what it draws are the table's own numbers. Needs Chart.js.
"use strict";
(() => {
  const root = document.documentElement;
  const drawn = [];
  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

  // The rows as they came, however the table is sorted when it is drawn again.
  const rows = new Map([...document.querySelectorAll("table[id]")].map((table) => [table, [...table.tBodies[0].rows]]));

  // A column by its key: the value of each cell, null where it has none; or the texts.
  function column(table, key) {
    const index = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.key === key);
    return rows.get(table).map((row) => row.cells[index]);
  }
  function numbers(table, key) {
    return column(table, key).map((cell) => {
      const held = cell.querySelector("data");
      return held ? Number(held.value) : null;
    });
  }
  const texts = (table, key) => column(table, key).map((cell) => cell.textContent);
  const heading = (table, key) =>
    [...table.tHead.rows[0].cells].find((head) => head.dataset.key === key).textContent;

  function axis(title, more) {
    return {
      title: { display: Boolean(title), text: title, color: colour("soft") },
      grid: { color: colour("grid") },
      ticks: { color: colour("soft"), maxRotation: 0 },
      ...more,
    };
  }

  // One bar a row in the table's order; rows that are marked have another colour and a sign, as their bar may be empty,
  // or where it is asked for none, as their values mean something else.
  function bars(table, asked) {
    const values = numbers(table, asked.y);
    const marks = asked.mark ? texts(table, asked.mark).map((text) => text !== asked.unmarked) : values.map(() => false);
    const bar = (label, wanted, name) => ({
      type: "bar",
      label,
      data: values.map((value, index) => (marks[index] === wanted ? value : null)),
      backgroundColor: colour(name),
      grouped: false,
      barPercentage: 1,
      categoryPercentage: 0.9,
    });
    const datasets = [bar(heading(table, asked.y), false, "accent")];
    if (marks.some(Boolean)) {
      const marked = colour(asked.markColour ?? "bad");
      const bare = asked.bare !== undefined;
      if (!bare) datasets.push(bar("", true, asked.markColour ?? "bad"));
      datasets.push({
        type: "line",
        label: asked.markTitle,
        data: marks.map((mark, index) => (mark ? (!bare && values[index]) || 0 : null)),
        showLine: false,
        pointStyle: "triangle",
        pointRadius: 6,
        borderColor: marked,
        backgroundColor: marked,
      });
    }
    return {
      type: "bar",
      data: { labels: texts(table, asked.label), datasets },
      options: {
        scales: {
          x: axis(asked.xTitle, { ticks: { display: false }, grid: { display: false } }),
          y: axis("", { afterFit: (scale) => { scale.width = 72; } }),  // charts below each other begin alike
        },
      },
    };
  }

  const palette = () => ["accent", "bad", "good", "warn", "other", "soft"].map(colour);

  function lines(table, asked) {
    const x = numbers(table, asked.x);
    const datasets = asked.y.split(" ").map((key, index) => ({
      label: heading(table, key),
      data: numbers(table, key).map((y, row) => ({ x: x[row], y })),
      borderColor: palette()[index % 6],
      backgroundColor: palette()[index % 6],
      borderDash: [[], [6, 4], [2, 3], [10, 3, 2, 3]][(index + Math.floor(index / 6)) % 4],  // 24 lines differ
      borderWidth: 2,
      pointStyle: "line",  // in the legend
      pointRadius: 0,
    }));
    const unit = { type: "linear", min: 0, max: 1 };
    return {
      type: "line",
      data: { datasets },
      options: { scales: { x: axis(asked.xTitle, unit), y: axis(asked.yTitle, unit) } },
    };
  }

  // Rows without one of the two values lie on the axis: what one side found and the other did not.
  function points(table, asked) {
    const [x, y] = [numbers(table, asked.x), numbers(table, asked.y)];
    const labels = texts(table, asked.label);
    const groups = asked.group ? texts(table, asked.group) : labels.map(() => heading(table, asked.y));
    const unit = asked.diagonal === undefined ? {} : { min: 0, max: 1 };
    const shown = labels.map((_, row) => row).filter((row) => unit.max || (x[row] !== null && y[row] !== null));
    const datasets = [...new Set(shown.map((row) => groups[row]))].map((group, index) => ({
      label: group,
      data: shown.filter((row) => groups[row] === group).map((row) => ({ x: x[row] ?? 0, y: y[row] ?? 0, row })),
      backgroundColor: palette()[index % 6],
      borderColor: palette()[index % 6],
      pointStyle: ["circle", "crossRot", "rect", "triangle", "rectRot", "star"][index % 6],
      pointRadius: asked.diagonal === undefined ? 5 : 3.5,
      clip: 8,  // points on an axis are seen whole
    }));
    if (unit.max) {
      datasets.push({
        type: "line", label: asked.diagonal, data: [{ x: 0, y: 0 }, { x: 1, y: 1 }],
        borderColor: colour("soft"), borderWidth: 1, borderDash: [4, 4], pointStyle: "line", pointRadius: 0,
      });
    }
    const label = (item) => {
      const text = item.raw.row === undefined ? "" : `${labels[item.raw.row]}: `;
      return `${text}${item.parsed.x}, ${item.parsed.y}`;
    };
    const scales = {
      x: axis(asked.xTitle, { type: "linear", beginAtZero: true, ...unit }),
      y: axis(asked.yTitle, { beginAtZero: true, suggestedMax: Number(asked.yAtLeast ?? 0), ...unit }),
    };
    return { type: "scatter", data: { datasets }, options: { scales, plugins: { tooltip: { callbacks: { label } } } } };
  }

  const kinds = { bars, lines, points };

  function draw() {
    while (drawn.length) drawn.pop().destroy();
    for (const box of document.querySelectorAll(".canvas[data-kind]")) {
      box.hidden = false;
      const canvas = box.querySelector("canvas");
      const config = kinds[box.dataset.kind](document.getElementById(box.dataset.table), canvas.dataset);
      const { plugins, ...options } = config.options;
      const labels = { color: colour("text"), usePointStyle: true, boxHeight: 7, filter: (item) => item.text };
      const legend = { display: config.data.datasets.length > 1, labels };
      config.options = {
        animation: false, maintainAspectRatio: false, ...options, plugins: { legend, ...plugins },
      };
      drawn.push(new Chart(canvas, config));
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // Paper is white, whatever the screen was.
  addEventListener("beforeprint", () => { root.classList.add("paper"); draw(); });
  addEventListener("afterprint", () => { root.classList.remove("paper"); draw(); });
})();
