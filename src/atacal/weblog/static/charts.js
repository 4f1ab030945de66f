// The charts of a page: drawn when they come near, again when the selection or the theme changes.
(function () {
  "use strict";
  const W = (window.weblog = window.weblog || {});
  const MOST_DRAWN = 12;
  const MOST_GL = 4; // browsers give a page sixteen contexts of the graphics card, a chart takes three
  const figures = [];
  let all = false; // for printing nothing is put away, and everything is drawn as lines and dots
  let index = { charts: [], fields: {}, marks: {}, reasons: {} };

  class Figure {
    constructor(element, info) {
      this.element = element;
      this.info = info;
      this.plot = element.querySelector(".plot");
      this.problem = element.querySelector(".problem");
      this.near = false;
      this.drawn = "";
      this.view = 0;
      this.large = false;
      this.gl = false;
      this.drawing = null;
      element.addEventListener("click", (event) => this.click(event));
    }
    fits(selection) {
      if (selection.block && this.info.block && this.info.block !== selection.block) { return false; }
      return W.KEYS.every((key) => {
        const wanted = selection[key], there = this.info.keys[key];
        return !wanted || key === "block" || !there || there.some((v) => W.has(v, wanted));
      });
    }
    wish() { return JSON.stringify([W.selection, W.dark(), this.view, this.large, all && this.gl]); }
    draw() { // done when the chart is drawn, whoever has begun it
      const wish = this.wish();
      if (this.drawn !== wish) {
        this.drawn = wish;
        this.drawing = this.make(wish);
      }
      return this.drawing;
    }
    async make(wish) {
      try {
        if (this.info.problem) { throw new Error(this.info.problem); }
        await W.script("static/plotly.min.js", "static/plotly.min.js cannot be loaded: it draws the charts");
        this.data = await W.load(this.info, W.selection.spw);
        if (this.drawn !== wish) { return; }
        const others = figures.filter((f) => f.gl && f !== this).length;
        const made = W.figure(this.data, { gl: !all && others < MOST_GL, selection: W.selection, fields: index.fields[this.info.block] || {}, marks: index.marks[this.info.block] || [], reasons: index.reasons[this.info.block] || [], view: this.view, height: this.large ? 640 : 330 });
        if (!made) { this.say("Nothing of what is chosen is in this chart."); return; }
        this.shown = made.shown;
        this.viewer(made.shown.views || []);
        if (this.gl && !made.gl) { window.Plotly.purge(this.plot); }
        this.gl = made.gl;
        await window.Plotly.react(this.plot, made.traces, made.layout, { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], toImageButtonOptions: { filename: this.info.id.replace(/\W+/g, "_"), scale: 2 } });
        this.say(made.note, true);
        this.element.dataset.state = "drawn";
      } catch (error) {
        this.element.dataset.state = "failed";
        this.say("This chart cannot be drawn: " + error.message);
      }
    }
    say(text, keep) {
      this.problem.textContent = text || "";
      this.problem.hidden = !text;
      this.problem.classList.toggle("note", Boolean(keep));
      this.plot.hidden = Boolean(text) && !keep;
      if (!keep && window.Plotly) { window.Plotly.purge(this.plot); }
    }
    viewer(views) {
      const box = this.element.querySelector(".viewer");
      if (views.length < 2) { box.replaceChildren(); return; }
      const select = document.createElement("select");
      select.setAttribute("aria-label", "Which picture");
      views.forEach((m, i) => {
        const option = document.createElement("option");
        option.value = String(i);
        option.textContent = Object.entries(m.keys || {}).map(([k, v]) => (k === "spw" ? "spw " : "") + v).join(" · ").slice(0, 80) || String(i + 1);
        select.appendChild(option);
      });
      select.value = String(Math.min(this.view, views.length - 1));
      select.addEventListener("change", () => { this.view = Number(select.value); this.draw(); });
      box.replaceChildren(select);
    }
    forget() {
      if (window.Plotly && this.drawn && this.element.dataset.state === "drawn") {
        this.plot.style.minHeight = this.plot.offsetHeight + "px";
        window.Plotly.purge(this.plot);
        this.drawn = "";
        this.gl = false;
        this.element.dataset.state = "";
      }
    }
    async click(event) {
      const button = event.target.closest("button");
      if (!button) { return; }
      if (button.dataset.large !== undefined) {
        this.large = !this.large;
        button.setAttribute("aria-pressed", String(this.large));
        this.element.classList.toggle("large", this.large);
        this.plot.style.minHeight = "";
        await this.draw();
      }
      if (button.dataset.save) {
        try {
          const data = await W.load(this.info, W.selection.spw);
          const name = this.info.id.replace(/\W+/g, "_");
          const series = data.series.filter((s) => W.matches(s.keys, W.selection));
          const matrices = data.matrices.filter((m) => W.matches(m.keys, W.selection, "antenna"));
          if (button.dataset.save === "csv") { W.save(name + ".csv", W.csv(data, series, matrices), "text/csv"); }
          else { W.save(name + ".json", JSON.stringify(Object.assign({}, data, { series: series, matrices: matrices, xs: undefined }), (k, v) => W.rounded(v)), "application/json"); }
        } catch (error) { this.say("The data cannot be saved: " + error.message, true); }
      }
    }
  }
  let working = false;
  async function work() { // one after the other, the page stays awake between them
    if (working) { return; }
    working = true;
    try {
      for (;;) {
        const next = figures.find((f) => f.near && !f.element.hidden && f.drawn !== f.wish());
        if (!next) { break; }
        await next.draw();
        await new Promise((done) => { setTimeout(done); });
      }
    } finally { working = false; }
  }
  function settle() {
    work();
    const drawn = figures.filter((f) => f.drawn && !f.near);
    if (all) { return; }
    const extra = figures.filter((f) => f.drawn).length - MOST_DRAWN;
    drawn.slice(0, Math.max(0, extra)).forEach((f) => f.forget());
  }
  function apply() {
    let count = 0;
    for (const figure of figures) {
      figure.element.hidden = !figure.fits(W.selection);
      count += figure.element.hidden ? 0 : 1;
    }
    for (const form of document.querySelectorAll("form.controls")) {
      for (const select of form.querySelectorAll("select")) {
        const wanted = W.selection[select.name] || "";
        if (![...select.options].some((o) => o.value === wanted)) { select.add(new Option(wanted + " (not on this page)", wanted)); }
        select.value = wanted;
      }
      form.querySelector(".shown-count").textContent = count === figures.length ? count + " charts" : count ? count + " of " + figures.length + " charts" : "None of " + figures.length + " charts is of what is chosen";
    }
    for (const box of document.querySelectorAll("[data-follows]")) { // headings of charts that are all hidden
      box.hidden = [...box.querySelectorAll("figure.chart")].every((f) => f.hidden);
    }
    settle();
  }
  W.step = function (by) {
    const select = document.querySelector('form.controls select[name="antenna"]');
    if (!select) { return; }
    const values = [...select.options].map((o) => o.value);
    const at = values.indexOf(W.selection.antenna || "");
    W.select({ antenna: values[(at + by + values.length) % values.length] });
  };
  W.drawAll = async function () {
    all = true;
    for (const figure of figures) { if (!figure.element.hidden) { await figure.draw(); } }
  };
  W.beforePrint = W.drawAll;
  document.addEventListener("DOMContentLoaded", function () {
    const holder = document.getElementById("chart-index");
    if (!holder) { return; }
    index = JSON.parse(holder.textContent);
    const byId = new Map(index.charts.map((c) => [c.id, c]));
    for (const element of document.querySelectorAll("figure.chart")) {
      const info = byId.get(element.dataset.chart);
      if (info) { figures.push(new Figure(element, info)); }
    }
    for (const form of document.querySelectorAll("form.controls")) {
      form.addEventListener("change", (event) => { if (event.target.name) { W.select({ [event.target.name]: event.target.value }); } });
      form.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) { return; }
        if (button.dataset.step) { W.step(Number(button.dataset.step)); }
        if (button.dataset.reset !== undefined) { W.select(Object.fromEntries(W.KEYS.map((k) => [k, ""]))); }
      });
    }
    document.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, input, textarea, pre, .scroll, .matrix")) { return; }
      if (event.key === "ArrowLeft") { event.preventDefault(); W.step(-1); }
      if (event.key === "ArrowRight") { event.preventDefault(); W.step(1); }
    });
    const watch = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const figure = figures.find((f) => f.element === entry.target);
        if (figure) { figure.near = entry.isIntersecting; }
      }
      settle();
    }, { rootMargin: "500px" });
    for (const figure of figures) { watch.observe(figure.element); }
    W.onSelect(apply);
    W.onTheme.push(settle);
    window.addEventListener("resize", settle);
    W.figures = figures;
  });
})();
