// Reasons of flags: of a cell of the matrix, and of an antenna through all stages.
(function () {
  "use strict";
  const W = (window.weblog = window.weblog || {});
  const percent = function (n, total) { return total ? (100 * n / total).toFixed(n && 100 * n / total < 0.05 ? 3 : 1) + " %" : "–"; };
  function make(tag, text, extra) { const e = document.createElement(tag); if (text !== undefined) { e.textContent = text; } return Object.assign(e, extra || {}); }
  function row(cells, tag) {
    const tr = make("tr");
    for (const c of cells) {
      const td = make(tag || "td");
      if (tag === "th") { td.scope = "col"; }
      if (c instanceof Node) { td.appendChild(c); } else { td.textContent = c; }
      tr.appendChild(td);
    }
    return tr;
  }
  function table(caption, head, rows) {
    const t = make("table", undefined, { className: "data" });
    t.appendChild(make("caption", caption));
    const th = make("thead"), tb = make("tbody");
    th.appendChild(row(head, "th"));
    for (const r of rows) { tb.appendChild(row(r)); }
    t.append(th, tb);
    const box = make("div", undefined, { className: "scroll", tabIndex: 0 });
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Table: " + caption);
    box.appendChild(t);
    return box;
  }
  function pages() { return JSON.parse(document.getElementById("flag-data").textContent); }
  function stageLink(data, cause) {
    return make("a", cause.stage + " " + cause.task, { href: data.pages[String(cause.stage)] || "tasks.html" });
  }
  function why(data, cause, cell) { // findings that name the antenna and the spw, and tables that lacked solutions
    const number = function (v) { return typeof v === "number" ? Number(v.toPrecision(4)) : v; };
    const among = function (listed, value) { return listed === undefined || String(listed).split(/[,&]/).includes(value); };
    const mine = cause.reasons.filter(function (r) {
      const who = r.antenna === undefined ? r.baseline : r.antenna;
      return r.rule !== undefined && among(who, cell.antenna) && among(r.spw, cell.spw) && (r.field === undefined || r.field === cell.field);
    });
    const box = make("span");
    const texts = [...new Set(mine.map(function (r) {
      return (r.measure || r.rule) + (r.value === undefined ? "" : " " + number(r.value)) + (r.limit === undefined ? "" : " (limit " + number(r.limit) + ")");
    }))].slice(0, 3);
    for (const text of texts) { box.append(make("span", text), make("br")); }
    for (const [text, stage] of cause.tables) {
      const page = (data.pages[String(stage)] || "").split("#")[0];
      box.append(page ? make("a", text, { href: page }) : make("span", text), make("br"));
    }
    return box;
  }
  function matrices(data) {
    for (const block of data.blocks) {
      const cells = new Map(block.cells.map((c) => [[c.antenna, c.field, c.spw].join("\t"), c]));
      const at = [...document.querySelectorAll("table.matrix")].find((t) => t.dataset.block === block.block);
      const box = [...document.querySelectorAll(".reasons")].find((t) => t.dataset.for === block.block);
      if (!at) { continue; }
      for (const td of at.querySelectorAll("td[data-at]")) {
        const cell = cells.get(td.dataset.at);
        if (cell) { td.title = Object.entries(cell.by).map(([i, n]) => "stage " + block.causes[i].stage + " " + block.causes[i].cause + ": " + percent(n, cell.total)).join("\n"); }
      }
      at.addEventListener("click", function (event) {
        const td = event.target.closest("td[data-at]"), cell = td && cells.get(td.dataset.at);
        if (!cell) { return; }
        for (const old of at.querySelectorAll(".aimed")) { old.classList.remove("aimed"); }
        td.classList.add("aimed");
        box.replaceChildren(table(cell.antenna + ", " + cell.field + ", spw " + cell.spw, ["stage", "cause", "visibilities", "of", "share", "why"],
          Object.entries(cell.by).map(([i, n]) => [stageLink(data, block.causes[i]), block.causes[i].cause, String(n), String(cell.total), percent(n, cell.total), why(data, block.causes[i], cell)])),
          make("a", cell.antenna + " through all stages: what was said of it, and its charts", { href: "antennas.html" + W.hash({ antenna: cell.antenna, spw: cell.spw, block: data.blocks.length > 1 ? block.block : "" }, "") }));
      });
    }
  }
  function antenna(data, about) {
    const first = document.querySelector('form.controls select[name="antenna"] option:nth-child(2)');
    if (!W.selection.antenna && first) { W.select({ antenna: first.value }, true); }
    const found = document.getElementById("antenna-found"), flags = document.getElementById("antenna-flags");
    W.onSelect(function (selection) {
      const name = selection.antenna || "";
      document.getElementById("which").textContent = name || "All antennas";
      if (!name) {
        found.replaceChildren(make("p", "Choose an antenna above.", { className: "soft" }));
        flags.replaceChildren();
        return;
      }
      const mine = about.filter((a) => a.antennas.includes(name) && (!selection.block || !a.block || a.block === selection.block));
      const list = make("ul", undefined, { className: "findings" });
      for (const item of mine) {
        const li = make("li", undefined, { className: "finding " + item.band });
        li.append(make("span", item.kind, { className: "level" }), make("span", undefined, { className: "what" }), make("span", "stage " + item.stage + (item.block ? ", " + item.block : ""), { className: "where" }));
        li.children[1].append(make("a", item.text, { href: item.link }));
        list.appendChild(li);
      }
      found.replaceChildren(mine.length ? list : make("p", "No score and no message names it.", { className: "soft" }));
      const out = [];
      for (const block of data.blocks) {
        if (selection.block && selection.block !== block.block) { continue; }
        const cells = block.cells.filter((c) => c.antenna === name && (!selection.spw || c.spw === selection.spw) && (!selection.field || c.field === selection.field));
        const total = new Map();
        for (const c of cells) { for (const [i, n] of Object.entries(c.by)) { total.set(i, (total.get(i) || 0) + n); } }
        const all = cells.reduce((n, c) => n + c.total, 0);
        if (total.size) {
          out.push(table("Flags of " + name + " in " + block.block, ["stage", "cause", "visibilities", "of", "share"],
            [...total].sort((a, b) => a[0] - b[0]).map(([i, n]) => [stageLink(data, block.causes[i]), block.causes[i].cause, String(n), String(all), percent(n, all)])));
        }
      }
      flags.replaceChildren(...(out.length ? out : [make("p", "Nothing of it was flagged.", { className: "soft" })]));
    });
  }
  document.addEventListener("DOMContentLoaded", function () {
    const data = pages();
    matrices(data);
    const about = document.getElementById("antenna-data");
    if (about) { antenna(data, JSON.parse(about.textContent)); }
  });
})();
