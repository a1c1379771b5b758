"use strict";
(() => {
  const table = document.getElementById("cells");
  if (!table) return;
  const form = document.querySelector("form.controls");
  const [quantity, arm, verdict, shown] = ["quantity", "arm", "verdicts", "shown"].map((id) => document.getElementById(id));
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  form.hidden = false;

  // sorting: the first click shows the strongest evidence, or names from A to Z, the third the order of the run
  const value = (row, i) => (i ? Number(row.cells[i].dataset.s) : row.dataset.name);
  const names = new Intl.Collator(undefined, { numeric: true });
  const sort = (i) => {
    const ways = i ? ["descending", "ascending", ""] : ["ascending", "descending", ""];
    const way = ways[(ways.indexOf(heads[i].getAttribute("aria-sort") || "") + 1) % 3];
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    const ordered = [...rows];
    if (way) {
      heads[i].setAttribute("aria-sort", way);
      const sign = way === "ascending" ? 1 : -1;
      ordered.sort((a, b) => sign * (i ? value(a, i) - value(b, i) : names.compare(value(a, i), value(b, i))));
    }
    body.append(...ordered);
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by " + head.dataset.name;
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(i));
    head.append(button);
  });

  const filter = () => {
    const [q, a] = [quantity, arm].map((input) => input.value.trim().toLowerCase());
    const v = verdict.value.slice(0, 1);
    const columns = heads.map((head, i) => !i || (head.title || head.dataset.name).toLowerCase().includes(a) || head.dataset.name.toLowerCase().includes(a));
    heads.forEach((head, i) => { head.hidden = !columns[i]; });
    let n = 0;
    for (const row of rows) {
      const cells = [...row.cells];
      cells.forEach((cell, i) => { cell.hidden = !columns[i]; });
      const has = !v || cells.some((cell, i) => columns[i] && cell.dataset.v === v);
      row.hidden = !(has && row.dataset.name.toLowerCase().includes(q));
      n += !row.hidden;
    }
    const all = n === rows.length && columns.every(Boolean);
    shown.textContent = all ? "" : n + " of " + rows.length + " quantities, " + (columns.filter(Boolean).length - 1) + " of " + (heads.length - 1) + " arms";
  };
  form.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));

  // keys: arrows in the table, / to filter, Escape from an open cell back to the table
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const at = (row, i) => row.cells[i].querySelector("a");
  body.addEventListener("keydown", (event) => {
    const move = step[event.key];
    const cell = event.target.closest("td");
    if (!move || !cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const order = [...body.rows].filter((row) => !row.hidden);
    let [r, c] = [order.indexOf(cell.parentNode), cell.cellIndex];
    event.preventDefault();
    for (;;) {
      r += move[0]; c += move[1];
      if (r < 0 || r >= order.length || c < 1 || c >= heads.length) return;
      const link = heads[c].hidden ? null : at(order[r], c);
      if (link) { link.focus(); return; }
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); quantity.focus(); }
    const open = document.querySelector(".cell:target");
    if (event.key === "Escape" && open && !typing) {
      location.hash = "t" + open.id;
      document.getElementById("t" + open.id).focus();
    }
  });
  addEventListener("hashchange", () => {
    const open = document.querySelector(".cell:target");
    if (open) open.focus({ preventScroll: true });
  });
})();
