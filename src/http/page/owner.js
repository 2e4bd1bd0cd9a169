// The owner's page: everything that it shows is asked for, with the key that was entered. The key is kept until the
// browser's tab is closed, and sent to nobody but this server.
"use strict";
{
  const get = (id) => document.getElementById(id);
  const below = get("owner").dataset.below;
  const tag = document.documentElement.lang;
  const amount = (number) => new Intl.NumberFormat(tag).format(number);
  const moment = (text) => new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" }).format(new Date(text));
  const size = (bytes) => {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
    let unit = 0;
    for (; bytes >= 1000 && unit + 1 < units.length; unit++) bytes /= 1000;
    // A byte in short form is "byte", however many there are.
    const unitDisplay = unit ? "short" : "long";
    return new Intl.NumberFormat(tag, { style: "unit", unit: units[unit], unitDisplay, maximumFractionDigits: 1 }).format(bytes);
  };
  // So many of what an element has the words for.
  const several = (number, { one, many }) => (number === 1 ? one : `${amount(number)} ${many}`);
  const element = (name, text, properties) => Object.assign(document.createElement(name), { textContent: text }, properties);
  // A name that turns its text around shows as what it is.
  const shown = (name) => name.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");

  let key = sessionStorage.getItem("key");
  let place = { bucket: "", prefix: "" };
  let counting;

  const ask = async (path, options = {}) => {
    const headers = { accept: "application/json" };
    if (key) headers.authorization = `Bearer ${key}`;
    if (options.body) headers["content-type"] = "application/json";
    const answer = await fetch(below + path, { ...options, headers });
    if (answer.ok) return answer;
    const problem = await answer.json().catch(() => ({}));
    if (answer.status === 401) lock();
    throw new Error(problem.detail ?? `${answer.status}`);
  };
  const attempt = (work) => async (...given) => {
    get("problem").hidden = true;
    try {
      await work(...given);
    } catch (error) {
      if (error.name === "AbortError" || !get("door").hidden) return;
      get("problem").textContent = error.message;
      get("problem").hidden = false;
    }
  };

  const lock = () => {
    get("refused").textContent = key ? get("refused").dataset.wrong : "";
    sessionStorage.removeItem("key");
    key = null;
    get("door").hidden = false;
    for (const id of ["choose", "share", "links", "jobs"]) get(id).hidden = true;
    clearTimeout(watching);
    get("key").focus();
  };

  const query = (parameters) => {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
    return query.toString();
  };
  const patterns = () => get("include").value.split(/[,\s]+/).filter(Boolean);

  const start = attempt(async () => {
    const { places, any_bucket } = await (await ask("/v1/places")).json();
    get("door").hidden = true;
    get("buckets").replaceChildren(...places.map(({ bucket, prefix }) => element("option", "", { value: prefix ? `${bucket}/${prefix}` : bucket })));
    get("bucket").readOnly = !any_bucket && places.length < 2;
    for (const id of ["choose", "share", "links"]) get(id).hidden = false;
    list();
    jobs();
    if (places.length) await go(places[0].bucket, places[0].prefix);
  });

  const go = attempt(async (bucket, prefix) => {
    place = { bucket, prefix };
    get("bucket").value = bucket;
    get("selected").textContent = shown(`s3://${bucket}/${prefix}`);
    const name = prefix.split("/").filter(Boolean).pop() ?? bucket;
    get("filename").placeholder = `${name}.zip`;
    get("made").hidden = true;
    way();
    get("folder").replaceChildren();
    get("more").hidden = true;
    count();
    await page();
  });
  const way = () => {
    const steps = place.prefix.split("/").slice(0, -1);
    const all = ["", ...steps.map((_, index) => steps.slice(0, index + 1).join("/") + "/")];
    get("way").replaceChildren(...all.map((prefix, index) => {
      const item = document.createElement("li");
      const name = shown(index ? steps[index - 1] : place.bucket);
      item.append(element("button", name, { type: "button", className: "plain", onclick: () => go(place.bucket, prefix) }));
      return item;
    }));
  };
  const page = async (from) => {
    const { bucket, prefix } = place;
    const found = await (await ask(`/v1/folder?${query({ bucket, prefix, from })}`)).json();
    if (bucket !== place.bucket || prefix !== place.prefix) return;
    for (const folder of found.folders) {
      const item = element("li", "", { className: "folder" });
      const name = element("button", shown(folder.slice(prefix.length)), { type: "button", className: "plain", onclick: () => go(bucket, folder) });
      item.append(name);
      get("folder").append(item);
    }
    for (const file of found.files) {
      const item = element("li", "", { className: "file" });
      item.append(element("span", shown(file.key.slice(prefix.length)), { className: "name" }), element("span", size(file.size), { className: "size" }));
      get("folder").append(item);
    }
    get("more").hidden = !found.next;
    get("more").onclick = attempt(() => page(found.next));
  };

  // Counted while it is listed: a line comes after each page.
  const count = attempt(async () => {
    counting?.abort();
    counting = new AbortController();
    const { signal } = counting;
    const search = new URLSearchParams({ bucket: place.bucket, prefix: place.prefix });
    for (const pattern of patterns()) search.append("include", pattern);
    const told = get("count");
    told.textContent = told.dataset.counting;
    const reader = (await ask(`/v1/count?${search}`, { signal })).body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      const last = lines.pop();
      if (!last) continue;
      const { count, bytes, done: all } = JSON.parse(last);
      told.textContent = `${several(count, told.dataset)}, ${size(bytes)}${all ? "" : " …"}`;
      told.dataset.done = all;
    }
  });

  const make = (path, url) => attempt(async () => {
    const wish = { bucket: place.bucket, prefix: place.prefix, include: patterns() };
    if (path === "/v1/links") {
      wish.expires_in = Number(get("life").value);
      const name = get("filename").value.trim();
      if (name) wish.filename = name;
    }
    const made = await (await ask(path, { method: "POST", body: JSON.stringify(wish) })).json();
    get("url").textContent = made[url];
    get("made").hidden = false;
    if (path === "/v1/links") await list();
  });

  const list = attempt(async () => {
    const { links } = await (await ask("/v1/links")).json();
    get("known").replaceChildren(...links.map((link) => {
      const item = get("known-link").content.cloneNode(true);
      const find = (selector) => item.querySelector(selector);
      find("a.url").textContent = shown(link.filename);
      if (link.page_url) find("a.url").href = link.page_url;
      find(".what").textContent = shown(`s3://${link.bucket}/${link.prefix}`);
      find(".facts").textContent = `${several(link.count, get("count").dataset)} · ${size(link.bytes)} · ${moment(link.created_at)}`;
      find(".ends").textContent = moment(link.expires_at);
      find(".downloads").textContent = several(link.downloads.count, find(".downloads").dataset);
      const [last] = link.downloads.last;
      find(".last").textContent = last ? `(${moment(last.at)}${last.client ? `, ${last.client}` : ""})` : "";
      find("code").textContent = link.page_url ?? "";
      enliven(item);
      const revoke = find(".revoke");
      revoke.onclick = attempt(async () => {
        if (revoke.dataset.asked) {
          await ask(`/v1/links/${link.id}`, { method: "DELETE" });
          await list();
        } else {
          revoke.dataset.asked = true;
          revoke.textContent = revoke.dataset.sure;
        }
      });
      return item;
    }));
    if (!links.length) get("known").append(element("li", get("known").dataset.none, { className: "empty" }));
  });

  // Looked at again as long as one of them is under way.
  let watching;
  const jobs = attempt(async () => {
    clearTimeout(watching);
    const answer = await ask("/v1/jobs").catch((error) => {
      if (!get("door").hidden) throw error;
    });
    // A server without a queue has none to show.
    get("jobs").hidden = get("package").hidden = !answer;
    if (!answer) return;
    const { jobs: all } = await answer.json();
    const told = get("working").dataset;
    get("working").replaceChildren(...all.map((job) => {
      const item = get("known-job").content.cloneNode(true);
      const find = (selector) => item.querySelector(selector);
      const open = job.state === "queued" || job.state === "running";
      find("a.url").textContent = shown(job.filename);
      if (job.url ?? job.page_url) find("a.url").href = job.url ?? job.page_url;
      find(".what").textContent = shown(`s3://${job.to.bucket}/${job.to.key}`);
      find(".state").textContent = told[job.cancelling ? "cancelling" : job.state];
      const facts = [several(job.count, get("count").dataset), open && job.bytes ? `${size(job.bytes)} / ${size(job.bytes_total)}` : size(job.bytes_total)];
      if (job.rate) facts.push(`${size(job.rate)}/s`);
      facts.push(moment(job.estimated_end ?? job.ended_at ?? job.created_at));
      if (job.error) facts.push(shown(job.error));
      find(".facts").textContent = facts.join(" · ");
      const progress = find("progress");
      progress.hidden = job.state !== "running";
      if (job.bytes_total) Object.assign(progress, { max: job.bytes_total, value: job.bytes });
      const cancel = find(".cancel");
      cancel.hidden = !open || job.cancelling === true;
      cancel.onclick = attempt(async () => {
        await ask(`/v1/jobs/${job.id}`, { method: "DELETE" });
        await jobs();
      });
      return item;
    }));
    if (!all.length) get("working").append(element("li", told.none, { className: "empty" }));
    if (all.some((job) => job.state === "queued" || job.state === "running")) watching = setTimeout(jobs, 2000);
  });
  const pack = attempt(async () => {
    const wish = { bucket: place.bucket, prefix: place.prefix, include: patterns(), expires_in: Number(get("life").value) };
    const name = get("filename").value.trim();
    if (name) wish.filename = name;
    await ask("/v1/jobs", { method: "POST", body: JSON.stringify(wish) });
    await jobs();
    await list();
  });

  get("door").onsubmit = (event) => {
    event.preventDefault();
    key = get("key").value.trim();
    sessionStorage.setItem("key", key);
    get("key").value = "";
    start();
  };
  get("go").onclick = () => {
    const [bucket, ...rest] = get("bucket").value.trim().split("/");
    go(bucket, rest.join("/"));
  };
  get("include").onchange = count;
  get("share").onsubmit = (event) => {
    event.preventDefault();
    make("/v1/links", "page_url")();
  };
  get("manifest").onclick = make("/v1/manifests", "manifest_url");
  get("package").onclick = pack;
  get("again").onclick = list;
  start();
}
