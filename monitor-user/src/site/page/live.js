// Renews what changes on a page every ten seconds: the same page, asked for again. Without this the pages are whole, too.
"use strict";

const EVERY_MS = 10000;
const PARTS = ["header", "main"];
const stale = document.getElementById("stale");
let asking = false;

async function renew() {
  const filling = document.activeElement?.matches("input, select");
  if (asking || document.hidden || filling || !getSelection().isCollapsed) return;
  asking = true;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of PARTS) replace(document.querySelector(part), page.querySelector(part));
    document.title = page.title;
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  asking = false;
}

// What somebody has opened, scrolled or reached by keyboard stays so.
function replace(old, fresh) {
  const all = (root, what) => [...root.querySelectorAll(what)];
  const before = all(old, "details");
  all(fresh, "details").forEach((it, i) => (it.open = before[i]?.open ?? it.open));
  const scrolled = all(old, ".wide").map((it) => it.scrollLeft);
  const reach = "a, summary, button, [tabindex]";
  const focus = all(old, reach).indexOf(document.activeElement);
  old.replaceWith(document.adoptNode(fresh));
  all(fresh, ".wide").forEach((it, i) => (it.scrollLeft = scrolled[i] ?? 0));
  if (focus >= 0) all(fresh, reach)[focus]?.focus({ preventScroll: true });
}

setInterval(renew, EVERY_MS);
document.addEventListener("visibilitychange", renew);
