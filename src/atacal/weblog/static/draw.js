// A chart's data and the selection turned into traces and a layout of plotly.
(function () {
  "use strict";
  const W = (window.weblog = window.weblog || {});
  // Okabe and Ito's colours, apart for all kinds of colour blindness, for light and for dark ground
  const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B98300", "#000000", "#7A5195", "#8C564B", "#5B6675"];
  const DARK = ["#56B4E9", "#F0954A", "#2CC79B", "#E3A3C8", "#9AD2F5", "#F0C64A", "#FFFFFF", "#B79AE0", "#D0A08F", "#A9B4C2"];
  const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "star", "pentagon", "hexagon", "bowtie"];
  const KEY_ORDER = ["role", "label", "intent", "polarisation", "spw", "field", "antenna", "scan"];
  const DROP = ["scan", "antenna", "field", "spw", "label", "intent", "polarisation"];
  const INTENTS = ["TARGET", "PHASE", "BANDPASS", "AMPLITUDE", "CHECK", "WVR", "ATMOSPHERE", "POINTING", "SIDEBAND", "FOCUS"];
  const MOST_GROUPS = 14;
  const GL_POINTS = 4000;
  const MOST_POINTS = 60000; // by the graphics card; without it fewer
  const MOST_SVG_POINTS = 8000;
  const MJD_1970_S = 40587 * 86400;
  const MASK = "#D55E00";

  W.escape = function (text) { // plotly reads some HTML in texts
    return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/\$/g, "&#36;");
  };
  W.matches = function (keys, selection, without) {
    for (const key of W.KEYS) {
      const wanted = selection[key];
      if (!wanted || key === without || key === "block") { continue; }
      const value = keys && keys[key];
      if (value !== undefined && value !== null && value !== "" && !W.has(String(value), wanted)) { return false; }
    }
    return true;
  };
  let gl = null;
  function webgl() {
    if (gl === null) {
      try { gl = Boolean(document.createElement("canvas").getContext("webgl")); } catch (error) { gl = false; }
    }
    return gl;
  }
  function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function words(keys, names) {
    return names.map(function (k) { return keys[k]; }).filter(function (v) { return v !== undefined && v !== ""; });
  }
  function about(keys, fields) {
    const order = ["antenna", "spw", "polarisation", "field", "intent", "scan"];
    const rest = Object.keys(keys).filter(function (k) { return !order.includes(k); }).sort();
    const text = [...order, ...rest].filter(function (k) { return keys[k] !== undefined && keys[k] !== ""; });
    return text.map(function (k) { return W.escape(k + " " + shownValue(k, keys[k], fields)); }).join("<br>");
  }
  function shownValue(key, value, fields) {
    if (key !== "field" || !fields) { return value; }
    return String(value).split(",").map(function (f) { return Object.hasOwn(fields, f) ? fields[f] : f; }).join(",");
  }
  function grouping(series, single) {
    const names = [...new Set(series.flatMap(function (s) { return Object.keys(s.keys || {}); }))];
    const distinct = function (key, missing) {
      return new Set(series.map(function (s) { return (s.keys || {})[key] || ""; }).filter(function (v) { return missing || v; })).size;
    };
    let varying = names.filter(function (k) { return distinct(k, k === "role" || k === "label") > 1; });
    // what the axis or the labels of the points say already is no reason for a colour
    const said = function (k) { return series.every(function (s) { const v = (s.keys || {})[k], y = s.y[0]; return typeof y === "string" && v && (y === v || y === k + " " + v); }); };
    varying = varying.filter(function (k) { return !(said(k) && varying.length > 1); });
    if (single) { varying = varying.filter(function (k) { return k !== "antenna" && k !== "field"; }); }
    varying.sort(function (a, b) { return (KEY_ORDER.indexOf(a) + 1 || 99) - (KEY_ORDER.indexOf(b) + 1 || 99); });
    const count = function () { return new Set(series.map(function (s) { return JSON.stringify(varying.map(function (k) { return (s.keys || {})[k] || ""; })); })).size; };
    for (const key of [...DROP, ...varying.filter(function (k) { return k !== "role"; })]) {
      if (count() <= MOST_GROUPS) { break; }
      varying = varying.filter(function (k) { return k !== key; });
    }
    return varying;
  }
  // why something was flagged: the findings of the stage that concern it, the antenna or baseline of a row too
  function because(context, keys, name) {
    const found = (context.reasons || []).filter(function (r) {
      if (r.spw !== undefined && keys.spw && !W.has(String(r.spw), String(keys.spw))) { return false; }
      if (r.polarisation !== undefined && keys.polarisation && !W.has(String(r.polarisation), String(keys.polarisation))) { return false; }
      const who = r.antenna !== undefined ? r.antenna : r.baseline, mine = name || keys.antenna;
      return who === undefined || mine === undefined || W.has(String(mine), String(who)) || W.has(String(who), String(mine));
    });
    const text = [...new Set(found.map(function (r) {
      const number = function (v) { return typeof v === "number" ? Number(v.toPrecision(4)) : v; };
      return r.cause + (r.value === undefined ? "" : " " + number(r.value)) + (r.limit === undefined ? "" : " (limit " + number(r.limit) + ")");
    }))].slice(0, 3);
    return text.map(function (t) { return "<br>flagged: " + W.escape(t); }).join("");
  }
  function times(s, data) {
    if (data.x.kind !== "time") { return s.x.map(function (v) { return typeof v === "string" ? W.escape(v) : v; }); }
    const from = (s.origin || 0) - MJD_1970_S;
    return s.x.map(function (v) { return v === null ? null : new Date((from + v) * 1000).toISOString(); });
  }
  function hover(s, base, i) {
    if (!s.more) { return base; }
    const rows = Object.keys(s.more).map(function (k) {
      const v = s.more[k][i];
      return v === null || v === undefined ? "" : "<br>" + W.escape(k + " " + v);
    });
    return base + rows.join("");
  }
  function style(keys, index, colours, ink) {
    const role = keys.role || "", intent = INTENTS.indexOf(keys.intent || keys.label);
    if (intent >= 0) { index = intent; } // the same in all charts
    const colour = colours[index % colours.length];
    if (role === "flagged") { return { colour: ink.red, symbol: "x-thin-open", dash: "dot" }; }
    if (role === "limit" || role === "model" || role === "atmosphere") { return { colour: ink.soft, symbol: "line-ew", dash: "dash" }; }
    if (role === "before") { return { colour: colour, symbol: "circle-open", dash: "dot" }; }
    return { colour: colour, symbol: SYMBOLS[index % SYMBOLS.length], dash: "solid" };
  }
  function thinned(series, large) { // lines are short already, dots are drawn every so many
    const total = series.reduce(function (n, s) { return n + s.y.length; }, 0);
    return { step: Math.max(1, Math.ceil(total / (large ? MOST_POINTS : MOST_SVG_POINTS))), total: total };
  }

  function seriesTraces(data, series, context, faint) {
    const colours = W.dark() ? DARK : LIGHT;
    const ink = { red: css("--red"), soft: css("--soft") };
    const single = !faint && series.length > 1 && series.every(function (s) { return s.y.length === 1; });
    const dots = series.every(function (s) { return s.y.length === 1; });
    const by = grouping(series, dots);
    const polar = data.x.kind === "angle";
    const category = series.some(function (s) { return typeof s.y.find(function (v) { return v !== null; }) === "string"; });
    const groups = new Map();
    for (const s of series) {
      const key = JSON.stringify(by.map(function (k) { return (s.keys || {})[k] || ""; }));
      if (!groups.has(key)) { groups.set(key, []); }
      groups.get(key).push(s);
    }
    const points = series.reduce(function (n, s) { return n + s.y.length; }, 0);
    const large = points > GL_POINTS && context.gl && webgl() && !polar && !category;
    const { step, total } = thinned(series, large);
    const out = [];
    let place = 0;
    for (const members of groups.values()) {
      const keys = members[0].keys || {};
      const role = keys.role || "";
      const look = style(by.includes("intent") || by.includes("label") ? keys : { role: role }, place, colours, ink);
      if (!["flagged", "limit", "model", "atmosphere"].includes(role)) { place += 1; }
      const x = [], y = [], text = [];
      let longest = 0, lines = true;
      for (const s of members) {
        const at = times(s, data);
        const base = about(s.keys || {}, context.fields) + (role === "flagged" ? because(context, keys, "") : "");
        lines = lines && Boolean(s.line);
        longest = Math.max(longest, at.length);
        for (let i = 0; i < at.length; i += s.line ? 1 : step) {
          x.push(at[i]);
          y.push(typeof s.y[i] === "string" ? W.escape(s.y[i]) : s.y[i]);
          text.push(faint ? "" : single ? W.escape(labelOf(s.keys || {})) : hover(s, base, i));
        }
        if (s.line && members.length > 1) { x.push(x[x.length - 1]); y.push(null); text.push(""); }
      }
      const name = words(Object.fromEntries(by.map(function (k) { return [k, keys[k] === undefined ? "" : (k === "spw" ? "spw " : "") + shownValue(k, keys[k], context.fields)]; })), by);
      const mode = lines ? (longest <= 40 && !category && members.length * longest < 2000 && !faint ? "lines+markers" : "lines") : single ? "markers+text" : "markers";
      const trace = {
        type: polar ? "scatterpolar" : large ? "scattergl" : "scatter", mode: mode, connectgaps: false, text: text,
        name: faint ? "other antennas" : W.escape(name.join(" · ") || data.y.label || "data"),
        showlegend: faint ? out.length === 0 : by.length > 0, legendgroup: faint ? "others" : undefined,
        hoverinfo: faint ? "skip" : undefined,
        marker: { color: faint ? ink.soft : look.colour, size: faint ? (dots ? 6 : 3) : dots ? 7 : total > 3000 ? 3 : 5, symbol: faint ? "circle" : look.symbol },
        line: { color: faint ? ink.soft : look.colour, width: faint ? 0.8 : category ? 9 : 1.3, dash: faint ? "solid" : look.dash },
        opacity: faint ? 0.45 : 1,
      };
      if (single) { trace.textposition = "top center"; trace.textfont = { size: 9 }; trace.hovertext = members.map(function (s) { return hover(s, about(s.keys || {}, context.fields), 0); }); }
      if (polar) { trace.theta = x; trace.r = y; } else { trace.x = x; trace.y = y; }
      if (!faint && !polar) { trace.hovertemplate = "%{" + (single ? "hovertext" : "text") + "}<br>%{x}, %{y}<extra></extra>"; }
      if (role === "atmosphere") { trace.yaxis = "y2"; trace.type = "scatter"; trace.mode = "lines"; }
      out.push(trace);
    }
    return { traces: out, step: series.every(function (s) { return s.line; }) ? 1 : step, total: total };
  }
  function labelOf(keys) { return keys.antenna || keys.field || keys.label || keys.spw || ""; }

  function matrixTraces(data, matrix, context) {
    const clean = function (v) { return v.map(function (one) { return typeof one === "string" ? W.escape(one) : one; }); };
    const x = clean(matrix.x), y = clean(matrix.y), z = matrix.z;
    const flat = Float32Array.from(z.flat().filter(function (v) { return v !== null; })).sort();
    const at = function (share) { return flat[Math.min(flat.length - 1, Math.max(0, Math.round(share * (flat.length - 1))))]; };
    const base = about(matrix.keys || {}, context.fields);
    const label = (data.z && data.z.label) || "value", unit = (data.z && data.z.unit) || "";
    const traces = [{
      type: "heatmap", x: x, y: y, z: z, colorscale: "Cividis", zmin: flat.length ? at(0.005) : 0, zmax: flat.length ? at(0.995) : 1,
      hoverongaps: false, colorbar: { thickness: 12, title: { text: folded(label + (unit ? " [" + unit + "]" : ""), 34), side: "right", font: { size: 10 } } },
      hovertemplate: base + "<br>" + W.escape(data.x.label) + " %{x}<br>" + W.escape(data.y.label) + " %{y}<br>" + W.escape(label) + " %{z:.6g}<extra></extra>",
    }];
    if (matrix.flagged && matrix.flagged.some(function (row) { return row.some(Boolean); })) {
      const known = new Map();
      const told = function (name) {
        if (!known.has(name)) { known.set(name, because(context, matrix.keys || {}, name)); }
        return known.get(name);
      };
      const rows = typeof matrix.y[0] === "string";
      const why = matrix.flagged.map(function (row, j) { return row.map(function (v, i) { return v ? told(rows ? matrix.y[j] : typeof matrix.x[i] === "string" ? matrix.x[i] : "") : ""; }); });
      traces.push({
        type: "heatmap", x: x, y: y, z: matrix.flagged.map(function (row) { return row.map(function (v) { return v ? 1 : null; }); }),
        customdata: z, text: why, colorscale: [[0, MASK], [1, MASK]], showscale: false, hoverongaps: false, opacity: 0.9,
        hovertemplate: base + "<br>" + W.escape(data.x.label) + " %{x}<br>" + W.escape(data.y.label) + " %{y}<br>" + W.escape(label) + " %{customdata:.6g}<br>flagged by this stage%{text}<extra></extra>",
      });
    }
    return traces;
  }

  function folded(text, most) { // in lines of so many letters
    const lines = [""];
    for (const word of text.split(" ")) {
      if (lines[lines.length - 1].length + word.length > most && lines[lines.length - 1]) { lines.push(""); }
      lines[lines.length - 1] += (lines[lines.length - 1] ? " " : "") + word;
    }
    return lines.map(W.escape).join("<br>");
  }
  function axis(of, colours, category) {
    const title = of.kind === "time" ? (of.label || "Time") + " [UTC]" : of.label + (of.unit ? " [" + of.unit + "]" : "");
    const out = { title: { text: folded(title, 48), standoff: 6 }, gridcolor: colours.line, zerolinecolor: colours.line, linecolor: colours.soft, automargin: true };
    if (of.kind === "time") { out.type = "date"; out.tickformatstops = [{ dtickrange: [null, 59999], value: "%H:%M:%S" }, { dtickrange: [60000, null], value: "%H:%M" }]; out.hoverformat = "%Y-%m-%d %H:%M:%S.%1f"; }
    if (of.kind === "log") { out.type = "log"; out.exponentformat = "power"; out.nticks = 8; }
    if (of.kind === "category" || category) { out.type = "category"; }
    return out;
  }
  W.figure = function (data, context) {
    const selection = context.selection;
    const colours = { ink: css("--ink"), soft: css("--soft"), line: css("--line") };
    const shown = { series: [], matrices: [] };
    let traces = [], note = "";
    const layout = {
      height: context.height, margin: { l: 62, r: 14, t: 10, b: 46 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colours.ink, size: 11, family: 'system-ui, "DejaVu Sans", sans-serif' }, hovermode: "closest", dragmode: "zoom",
      legend: { orientation: "h", y: -0.22, x: 0, font: { size: 10 } }, hoverlabel: { font: { size: 11 }, align: "left", namelength: 0 },
      shapes: [], annotations: [],
    };
    if (data.matrices && data.matrices.length) {
      const there = data.matrices.filter(function (m) { return W.matches(m.keys, selection, "antenna"); });
      shown.views = there;
      if (!there.length) { return null; }
      const one = there[Math.min(context.view || 0, there.length - 1)];
      shown.matrices = [one];
      traces = matrixTraces(data, one, context);
      layout.xaxis = axis(data.x, colours, typeof one.x[0] === "string");
      layout.yaxis = axis(data.y, colours, typeof one.y[0] === "string");
      if (data.x.kind === "number" && data.y.kind === "number" && data.x.unit === data.y.unit && data.x.unit) {
        layout.yaxis.scaleanchor = "x";
        if (/R\.?A|right asc/i.test(data.x.label)) { layout.xaxis.autorange = "reversed"; }
      }
      if (selection.antenna) { mark(layout, one, selection.antenna, colours.ink); }
    } else {
      const chosen = (data.series || []).filter(function (s) { return W.matches(s.keys, selection); });
      if (!chosen.length) { return null; }
      shown.series = chosen;
      if (selection.antenna) {
        const others = data.series.filter(function (s) { return W.matches(s.keys, selection, "antenna") && !chosen.includes(s); });
        if (others.length) { traces = seriesTraces(data, others, context, true).traces; }
      }
      const made = seriesTraces(data, chosen, context, false);
      traces = [...traces, ...made.traces];
      if (made.step > 1) { note = "One of every " + made.step + " points is drawn, of " + made.total + "; choose an antenna or an spw for all."; }
      if (data.x.kind === "angle") {
        layout.polar = {
          bgcolor: "rgba(0,0,0,0)", angularaxis: { direction: "clockwise", rotation: 90, gridcolor: colours.line, linecolor: colours.soft },
          radialaxis: { type: data.y.kind === "log" ? "log" : "linear", gridcolor: colours.line, dtick: "D2", nticks: 5, tickfont: { size: 9 }, title: { font: { size: 10 }, text: W.escape(data.y.label + (data.y.unit ? " [" + data.y.unit + "]" : "")) }, angle: 45 },
        };
        layout.margin = { l: 40, r: 40, t: 30, b: 30 };
      } else {
        layout.xaxis = axis(data.x, colours, false);
        layout.yaxis = axis(data.y, colours, typeof chosen[0].y.find(function (v) { return v !== null; }) === "string");
        if (data.x.unit === data.y.unit && ["m", "arcsec", "deg", "klambda"].includes(data.x.unit) && data.x.kind === "number" && data.y.kind === "number" && /east|RA|^u/i.test(data.x.label)) {
          layout.yaxis.scaleanchor = "x";
          if (/RA/.test(data.x.label)) { layout.xaxis.autorange = "reversed"; }
        }
      }
      if (traces.some(function (t) { return t.yaxis === "y2"; })) {
        layout.yaxis2 = { overlaying: "y", side: "right", range: [0, 105], title: { text: "transmission [%]" }, showgrid: false, automargin: true };
        layout.margin.r = 54;
      }
    }
    if (data.x.unit === "GHz") { shade(layout, traces, context.marks); }
    for (const line of data.lines || []) {
      if ((line.axis !== "x" && line.axis !== "y") || data.x.kind === "angle") { continue; }
      const on = line.axis === "y";
      layout.shapes.push({ type: "line", xref: on ? "paper" : "x", yref: on ? "y" : "paper", x0: on ? 0 : line.value, x1: on ? 1 : line.value, y0: on ? line.value : 0, y1: on ? line.value : 1, line: { dash: "dash", width: 1.2, color: css("--red") } });
      layout.annotations.push({ text: W.escape(line.label || ""), showarrow: false, xref: on ? "paper" : "x", yref: on ? "y" : "paper", x: on ? 1 : line.value, y: on ? line.value : 1, xanchor: "right", yanchor: "bottom", font: { size: 10, color: css("--red") } });
    }
    return { traces: traces, layout: layout, shown: shown, note: note, gl: traces.some(function (t) { return t.type === "scattergl"; }) };
  };
  function shade(layout, traces, marks) { // lines of targets in system temperatures, on every spectrum of their frequencies
    let low = Infinity, high = -Infinity;
    for (const trace of traces) {
      for (const x of trace.x || []) { if (typeof x === "number") { low = Math.min(low, x); high = Math.max(high, x); } }
    }
    const said = new Set();
    for (const one of marks || []) {
      if (one.high < low || one.low > high) { continue; }
      layout.shapes.push({ type: "rect", layer: "below", xref: "x", yref: "paper", x0: one.low, x1: one.high, y0: 0, y1: 1, line: { width: 1, color: MASK }, fillcolor: "rgba(213,94,0,0.3)" });
      if (!said.has(one.label)) {
        layout.annotations.push({ text: W.escape(one.label), showarrow: false, xref: "x", yref: "paper", x: one.high, y: 1, xanchor: "left", yanchor: "top", font: { size: 10 } });
      }
      said.add(one.label);
    }
  }
  function mark(layout, matrix, antenna, colour) { // a frame around the chosen antenna's rows and columns
    for (const [name, values] of [["y", matrix.y], ["x", matrix.x]]) {
      if (typeof values[0] !== "string") { continue; }
      values.forEach(function (value, i) {
        if (!W.has(value, antenna)) { return; }
        const span = { [name + "0"]: i - 0.5, [name + "1"]: i + 0.5, [name + "ref"]: name };
        const other = name === "y" ? "x" : "y";
        layout.shapes.push(Object.assign({ type: "rect", [other + "0"]: 0, [other + "1"]: 1, [other + "ref"]: "paper", line: { width: 1, color: colour }, fillcolor: "rgba(0,0,0,0)" }, span));
      });
    }
  }
})();
