// Comfort only: everything works without it. No library, nothing from elsewhere.
"use strict";
(() => {
  // "/" goes to the search field, j and k to the next and the previous record.
  const links = () => [...document.querySelectorAll("table.rows td:first-child a")];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, summary")) return;
    if (event.key === "/") {
      const search = document.querySelector("input[name=q]");
      if (search) { search.focus(); event.preventDefault(); }
    }
    const step = { j: 1, k: -1 }[event.key];
    if (step) {
      const all = links();
      const next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + step))];
      if (next) next.focus();
    }
  });
  // Times in the reader's own time zone; the exact one stays in the title.
  const local = (root) => {
    for (const time of root.querySelectorAll("time")) {
      const at = new Date(time.dateTime);
      if (!isNaN(at)) { time.title = time.textContent; time.textContent = at.toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }); }
    }
  };
  local(document);
  // What goes on by itself is shown anew while somebody looks, but not while they type.
  const main = document.querySelector("main[data-refresh]");
  if (!main) return;
  const seconds = Number(main.dataset.refresh);
  const timer = setInterval(async () => {
    if (document.hidden || main.contains(document.activeElement) || main.querySelector("details[open]")) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      // Signed out, or gone: whoever looks is told so.
      if (answer.redirected || answer.status === 404) return location.reload();
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (!next) return;
      // What has ended stays as it is.
      if (!next.dataset.refresh) clearInterval(timer);
      local(next);
      main.replaceChildren(...next.childNodes);
    } catch { /* the next time */ }
  }, seconds * 1000);
})();
