"use strict";
(() => {
  const period = 2000;
  const view = document.getElementById("view");
  const stale = document.getElementById("stale");
  let answered = Date.now();

  // A selection is somebody copying something: what they copy must not vanish.
  const busy = () => document.hidden || !document.getSelection().isCollapsed;

  async function refresh() {
    const answer = await fetch("api/status?as=html", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(answer.status + " " + answer.statusText);
    const scrolled = [...view.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    view.innerHTML = await answer.text();
    view.querySelectorAll(".scroll").forEach((box, n) => { box.scrollLeft = scrolled[n] || 0; });
    document.title = view.querySelector("header").dataset.title;
    answered = Date.now();
    stale.hidden = true;
  }

  async function turn() {
    try {
      if (!busy()) await refresh();
    } catch (error) {
      const seconds = Math.round((Date.now() - answered) / 1000);
      stale.textContent = "No answer for " + seconds + " s (" + error.message + "). What is below is old.";
      stale.hidden = false;
      document.title = "no answer · nuthatch";
    }
    setTimeout(turn, period);
  }

  document.addEventListener("visibilitychange", () => { if (!busy()) refresh().catch(() => {}); });
  setTimeout(turn, period);
})();
