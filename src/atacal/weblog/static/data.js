// The data of charts: scripts that call weblogChart, loaded when a chart is about to be seen.
(function () {
  "use strict";
  const W = (window.weblog = window.weblog || {});
  const store = new Map(); // id -> Map(part -> text or data)
  const asked = new Map(); // file -> promise

  window.weblogChart = function (key, text) {
    if (!store.has(key[0])) { store.set(key[0], new Map()); }
    store.get(key[0]).set(key[1], text);
  };
  W.script = function (file, failed) {
    if (!asked.has(file)) {
      asked.set(file, new Promise(function (done, refuse) {
        const tag = document.createElement("script");
        tag.src = file;
        tag.onload = function () { done(); };
        tag.onerror = function () { refuse(new Error(failed)); };
        document.head.appendChild(tag);
      }));
    }
    return asked.get(file);
  };
  W.has = function (listed, value) { // 17 is in "17", in "17,19"; an antenna is in its baselines
    return listed === value || listed.split(/[,&]/).includes(value);
  };
  W.load = async function (info, spw) {
    const wanted = info.parts.filter(function (p) { return !spw || !p.spw || p.spw === "all" || W.has(p.spw, spw); });
    await Promise.all(wanted.map(function (p) {
      return W.script(p.file, "the data file " + p.file + " cannot be loaded");
    }));
    const found = [];
    for (const part of wanted) {
      const parts = store.get(info.id);
      let data = parts && parts.get(part.spw);
      if (data === undefined) { throw new Error("the data file " + part.file + " does not hold this chart"); }
      if (typeof data === "string") {
        data = JSON.parse(data);
        parts.set(part.spw, data);
      }
      found.push(data);
    }
    return joined(found);
  };
  function joined(parts) {
    if (!parts.length) { throw new Error("the chart has no data"); }
    const out = Object.assign({}, parts[0], { series: [], matrices: [] });
    for (const part of parts) {
      for (const one of part.series || []) {
        out.series.push(Object.assign({}, one, { x: typeof one.x === "number" ? part.xs[one.x] : one.x }));
      }
      out.matrices.push(...(part.matrices || []).map(unpacked));
    }
    return out;
  }
  function bytes(text) { return Uint8Array.from(atob(text), function (c) { return c.charCodeAt(0); }); }
  function unpacked(m) { // numbers of 32 bits, a bit for each flag; when they are asked for
    const width = m.x.length, out = { keys: m.keys, x: m.x, y: m.y };
    let z = null, flagged = null;
    Object.defineProperty(out, "z", { enumerable: true, get: function () {
      if (!z) {
        const data = bytes(m.z32).buffer, view = new DataView(data);
        z = m.y.map(function (_, j) {
          const row = new Array(width);
          for (let i = 0; i < width; i += 1) {
            const v = view.getFloat32(4 * (j * width + i), true);
            row[i] = v === v ? v : null;
          }
          return row;
        });
      }
      return z;
    } });
    Object.defineProperty(out, "flagged", { enumerable: true, get: function () {
      if (!flagged && m.bits) {
        const bits = bytes(m.bits);
        flagged = m.y.map(function (_, j) { return m.x.map(function (_x, i) { const k = j * width + i; return Boolean(bits[k >> 3] & (1 << (k & 7))); }); });
      }
      return flagged || undefined;
    } });
    return out;
  }
  W.rounded = function (v) { return typeof v === "number" ? Number(v.toPrecision(7)) : v; };
  W.csv = function (data, series, matrices) {
    const cell = function (v) {
      if (v === null || v === undefined) { return ""; }
      let text = String(v);
      if (typeof v !== "number" && /^[=+\-@\t\r]/.test(text)) { text = "'" + text; } // spreadsheets would run it
      return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    };
    const names = function (items, of) { return [...new Set(items.flatMap(function (i) { return Object.keys(of(i) || {}); }))].sort(); };
    const unit = function (axis, word) { return axis && axis.unit ? word + " [" + axis.unit + "]" : word; };
    const rows = [];
    if (matrices.length) {
      const keys = names(matrices, function (m) { return m.keys; });
      rows.push([...keys, unit(data.x, data.x.label || "x"), unit(data.y, data.y.label || "y"), unit(data.z, (data.z && data.z.label) || "value"), "flagged"]);
      for (const m of matrices) {
        m.y.forEach(function (y, j) { m.x.forEach(function (x, i) {
          rows.push([...keys.map(function (k) { return m.keys[k]; }), x, y, W.rounded(m.z[j][i]), m.flagged ? m.flagged[j][i] : false]);
        }); });
      }
    } else {
      const keys = names(series, function (s) { return s.keys; });
      const more = names(series, function (s) { return s.more; });
      rows.push([...keys, unit(data.x, data.x.label || "x"), unit(data.y, data.y.label || "y"), ...more]);
      for (const s of series) {
        s.x.forEach(function (x, i) {
          const at = x === null ? null : data.x.kind === "time" && s.origin !== undefined ? s.origin + x : x;
          rows.push([...keys.map(function (k) { return s.keys[k]; }), at, s.y[i], ...more.map(function (k) { return s.more && s.more[k] ? s.more[k][i] : null; })]);
        });
      }
    }
    return rows.map(function (row) { return row.map(cell).join(","); }).join("\n") + "\n";
  };
  W.save = function (name, text, type) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: type }));
    link.download = name;
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  };
})();
