// Light or dark as chosen before, or as the system has it; before the page is drawn.
(function () {
  "use strict";
  try {
    var kept = window.localStorage.getItem("atacal-theme");
    if (kept === "dark" || kept === "light") { document.documentElement.dataset.theme = kept; }
  } catch (error) { /* storage may be off for pages of files: the system's choice is taken */ }
})();
