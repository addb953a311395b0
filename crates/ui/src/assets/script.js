// Shows times in the viewer's zone, and fetches the page again now and then: what changed is replaced, what
// is being used (a selection, a form, an open fold) stays.
"use strict";
(() => {
  const period = Number(document.body.dataset.refresh) * 1000;
  const stale = document.getElementById("stale");
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  let etag = "";
  let answered = Date.now();

  function ago(ms) {
    const seconds = Math.max(0, Math.round(ms / 1000));
    if (seconds < 60) return seconds + " s ago";
    if (seconds < 3600) return Math.floor(seconds / 60) + " min ago";
    if (seconds < 86400) return Math.floor(seconds / 3600) + " h ago";
    return Math.floor(seconds / 86400) + " d ago";
  }

  function localize(root) {
    root.querySelectorAll("time[datetime]").forEach((time) => {
      const at = new Date(time.dateTime);
      const age = Date.now() - at;
      const text = (age < 86400e3 && age >= 0 ? clock : day).format(at);
      time.textContent = age >= 0 ? text + ", " + ago(age) : text;
      time.title = exact.format(at) + " (" + time.dateTime + ")";
    });
  }

  function used(region) {
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) return true;
    if (region.querySelector("details[open]")) return true;
    const active = document.activeElement;
    return region.contains(active) && active.matches("input, select, textarea, button, summary");
  }

  function replace(region, fresh) {
    if (region.innerHTML === fresh.innerHTML && region.className === fresh.className) return;
    const active = document.activeElement;
    const href = region.contains(active) ? active.getAttribute("href") : null;
    const scrolled = [...region.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    const taken = document.importNode(fresh, true);
    localize(taken);
    region.replaceWith(taken);
    taken.querySelectorAll(".scroll").forEach((box, at) => { box.scrollLeft = scrolled[at] || 0; });
    if (href !== null) {
      const link = [...taken.querySelectorAll("a")].find((link) => link.getAttribute("href") === href);
      if (link) link.focus({ preventScroll: true });
    }
  }

  const regions = (root) => [...root.querySelectorAll("[data-live]")];
  const names = (list) => list.map((region) => region.id).join(" ");

  // The source of each region as last received: times in the page itself have been rewritten.
  const received = new Map(regions(document).map((region) => [region.id, region.outerHTML]));

  function update(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const now = regions(document);
    const next = regions(fresh);
    document.title = fresh.title;
    if (names(now) !== names(next)) {
      const main = document.getElementById("main");
      if (!used(main)) replace(main, fresh.getElementById("main"));
      regions(fresh).forEach((region) => received.set(region.id, region.outerHTML));
      return;
    }
    now.forEach((region, at) => {
      const source = next[at].outerHTML;
      if (received.get(region.id) === source || used(region)) return;
      received.set(region.id, source);
      replace(region, next[at]);
    });
  }

  async function refresh() {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(answer.status + " " + answer.statusText);
      etag = answer.headers.get("ETag") || "";
      update(await answer.text());
    }
    answered = Date.now();
    stale.hidden = true;
  }

  async function turn() {
    if (!document.hidden) {
      try {
        await refresh();
      } catch (error) {
        const seconds = Math.round((Date.now() - answered) / 1000);
        stale.textContent = "No answer for " + seconds + " s (" + error.message + "). What is below is old.";
        stale.hidden = false;
      }
    }
    setTimeout(turn, period);
  }

  // The section of this page is seen, also where the sections are wider than the screen.
  const sections = document.querySelector("header nav");
  const here = sections && sections.querySelector("[aria-current]");
  if (here) sections.scrollLeft = here.offsetLeft - sections.offsetLeft - (sections.clientWidth - here.offsetWidth) / 2;
  localize(document);
  document.querySelectorAll(".zone").forEach((zone) => {
    zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone || "your zone";
  });
  // Relative times grow old also where nothing changes.
  setInterval(() => localize(document), 15000);
  if (period > 0) {
    document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh().catch(() => {}); });
    setTimeout(turn, period);
  }
})();
