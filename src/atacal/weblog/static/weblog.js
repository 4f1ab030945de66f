// What every page has: the selection that links carry along, the theme, tables that sort, printing.
(function () {
  "use strict";
  const W = (window.weblog = window.weblog || {});
  const KEYS = ["block", "antenna", "spw", "polarisation", "field", "intent"];
  const listeners = [];
  W.KEYS = KEYS;
  W.selection = {};
  let started = false;
  W.onSelect = function (listener) { listeners.push(listener); if (started) { listener(W.selection); } };

  function parse() {
    const found = { at: "" };
    const hash = window.location.hash.slice(1);
    if (!hash.includes("=")) { return { at: hash, none: true }; }
    for (const [key, value] of new URLSearchParams(hash)) {
      if (KEYS.includes(key) && value) { found[key] = value; }
      if (key === "at") { found.at = value; }
    }
    return found;
  }
  W.hash = function (selection, at) {
    const words = new URLSearchParams();
    for (const key of KEYS) { if (selection[key]) { words.set(key, selection[key]); } }
    if (at) { words.set("at", at); }
    const text = words.toString();
    return text ? "#" + text.replace(/\+/g, "%20") : "";
  };
  function carry() { // links to other pages keep the selection
    const hash = W.hash(W.selection, "");
    for (const link of document.querySelectorAll("a[href]")) {
      const href = link.getAttribute("href");
      const page = href.split("#")[0];
      if (!/^[A-Za-z0-9._-]+\.html$/.test(page)) { continue; }
      if (link.dataset.own === undefined) { link.dataset.own = href.includes("#") ? "1" : ""; }
      if (!link.dataset.own) { link.setAttribute("href", page + hash); }
    }
  }
  W.select = function (change, quiet) {
    const next = Object.assign({}, W.selection, change);
    for (const key of KEYS) { if (!next[key]) { delete next[key]; } }
    W.selection = next;
    if (!quiet) {
      const url = window.location.pathname + window.location.search + (W.hash(next, "") || "#");
      try { window.history.replaceState(null, "", url); } catch (error) { window.location.hash = W.hash(next, ""); }
    }
    carry();
    for (const listener of listeners) { listener(next); }
  };
  function go(at) {
    const target = at && document.getElementById(at);
    if (!target) { return; }
    for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) { box.open = true; }
    for (const old of document.querySelectorAll(".aimed")) { old.classList.remove("aimed"); }
    target.classList.add("aimed");
    target.scrollIntoView({ block: "start" });
  }
  window.addEventListener("hashchange", function () {
    const found = parse();
    if (!found.none) { const { at, ...chosen } = found; W.selection = {}; W.select(chosen, true); }
    go(found.at);
  });
  document.addEventListener("click", function (event) { // links within the page do not lose the selection
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    if (!link || !Object.keys(W.selection).length) { return; }
    const target = document.getElementById(decodeURIComponent(link.getAttribute("href").slice(1)));
    if (target) { event.preventDefault(); go(target.id); target.tabIndex = -1; target.focus({ preventScroll: true }); }
  });

  W.dark = function () {
    const set = document.documentElement.dataset.theme;
    return set ? set === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  };
  W.onTheme = [];
  W.setTheme = function (name) {
    document.documentElement.dataset.theme = name;
    try { window.localStorage.setItem("atacal-theme", name); } catch (error) { /* kept for this page only */ }
    for (const listener of W.onTheme) { listener(); }
  };
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    for (const listener of W.onTheme) { listener(); }
  });

  function sortable(table) {
    const heads = table.tHead ? table.tHead.rows : [];
    if (heads.length !== 1 || !table.tBodies[0] || table.tBodies[0].rows.length < 3) { return; }
    Array.from(heads[0].cells).forEach(function (head, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads[0].cells) { other.removeAttribute("aria-sort"); }
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        const key = function (row) {
          const cell = row.cells[column];
          const number = cell && cell.querySelector("data");
          const text = cell ? cell.textContent.trim() : "";
          return number ? Number(number.value) : text !== "" && isFinite(text) ? Number(text) : text;
        };
        const rows = Array.from(body.rows).map(function (row, i) { return [key(row), i, row]; });
        rows.sort(function (a, b) {
          const numbers = typeof a[0] === "number" && typeof b[0] === "number";
          const order = numbers ? a[0] - b[0] : String(a[0]).localeCompare(String(b[0]), "en", { numeric: true });
          return (up ? order : -order) || a[1] - b[1];
        });
        for (const row of rows) { body.appendChild(row[2]); }
      });
    });
  }

  W.beforePrint = null;
  document.addEventListener("DOMContentLoaded", function () {
    for (const table of document.querySelectorAll("table.data")) { sortable(table); }
    const theme = document.getElementById("theme");
    theme.addEventListener("click", function () { W.setTheme(W.dark() ? "light" : "dark"); });
    document.getElementById("print").addEventListener("click", async function () {
      const dark = W.dark();
      if (dark) { W.setTheme("light"); }
      if (W.beforePrint) { await W.beforePrint(); }
      window.print();
      if (dark) { W.setTheme("dark"); }
    });
    const { at, none, ...chosen } = parse();
    started = true;
    W.select(chosen, true);
    go(at);
  });
})();
