"use strict";
(() => {
  const [now, lost, since] = ["now", "lost", "since"].map((id) => document.getElementById(id));
  let last = "";
  let ended = false;
  const ask = async () => {
    try {
      const answer = await fetch("/now", { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const { state, html } = await answer.json();
      if (state === "finished") { location.reload(); return; }
      ended = state === "ended";
      if (html !== last) { now.innerHTML = html; last = html; }
      lost.hidden = true;
    } catch {
      if (lost.hidden && !ended) {
        since.textContent = " at " + new Date().toLocaleTimeString();
        lost.hidden = false;
      }
    }
    setTimeout(ask, 1000);
  };
  setTimeout(ask, 1000);
})();
