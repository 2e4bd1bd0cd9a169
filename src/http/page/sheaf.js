// Comfort: every page works without this file.
"use strict";

const language = () => {
  const page = document.documentElement.lang;
  return navigator.languages.find((tag) => tag.split("-")[0] === page) ?? page;
};

// The end of the link, in the reader's own time, counting down.
const ends = document.getElementById("ends");
const left = document.getElementById("left");
if (ends && left) {
  const end = new Date(ends.dateTime);
  ends.textContent = new Intl.DateTimeFormat(language(), { dateStyle: "long", timeStyle: "short" }).format(end);
  const relative = new Intl.RelativeTimeFormat(language());
  const tick = () => {
    const seconds = Math.floor((end - Date.now()) / 1000);
    if (seconds <= 0) {
      ends.parentElement.textContent = ends.dataset.ended;
      return;
    }
    const [size, unit] =
      seconds < 120 ? [1, "second"] : seconds < 7200 ? [60, "minute"] : seconds < 172800 ? [3600, "hour"] : [86400, "day"];
    left.textContent = relative.format(Math.floor(seconds / size), unit);
    setTimeout(tick, seconds < 180 ? 1000 : 30000);
  };
  tick();
}

// Buttons that copy the text before them.
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text.textContent ?? "");
  } catch {
    // Without a secure origin there is no clipboard: the text is selected at least.
    getSelection()?.selectAllChildren(text);
    return document.execCommand("copy");
  }
  return true;
};
const enliven = (root) => {
  for (const button of root.querySelectorAll("button.copy")) {
    const words = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (await copy(button.previousElementSibling)) {
        button.textContent = button.dataset.done;
        setTimeout(() => (button.textContent = words), 2000);
      }
    });
  }
};
enliven(document);

// The search, while its words are typed.
const search = document.getElementById("search");
if (search) {
  let waiting;
  let asked = 0;
  const look = async () => {
    const mine = ++asked;
    const url = new URL(search.action);
    const words = search.elements.q.value.trim();
    if (words) url.searchParams.set("q", words);
    const answer = await fetch(url, { headers: { accept: "text/html" } }).catch(() => null);
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const list = page.getElementById("list");
    if (!list || mine !== asked) return;
    // What was found is told by the element that is there already: a new one would not be read aloud.
    const found = document.getElementById("found");
    const news = list.querySelector("#found");
    news.replaceWith(found);
    found.textContent = news.textContent;
    document.getElementById("list").replaceWith(list);
    history.replaceState(null, "", url);
  };
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, 200);
  });
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    look();
  });
}
