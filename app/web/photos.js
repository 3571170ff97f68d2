// Photos: dropped or pasted anywhere; and the work of this browser tab, kept so that a reload does not lose it.
// What was asked is in the tab's session storage, an uploaded photo in the browser's database. Nothing of it is sent
// anywhere but to this page's server, as it was at first.

const box = () => document.querySelector("#photo")?.parentElement.querySelector("input[type=file]");
function give(file) { // to the button "Photo", as if it had been chosen there
  const bag = new DataTransfer();
  bag.items.add(file);
  box().files = bag.files;
  box().dispatchEvent(new Event("change", {bubbles: true}));
}

const drop = element.querySelector(".drop"), carries = event => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", event => { if (carries(event)) { event.preventDefault(); drop.hidden = false; } });
document.addEventListener("dragleave", event => { if (!event.relatedTarget) drop.hidden = true; });
document.addEventListener("drop", event => {
  drop.hidden = true;
  const file = event.dataTransfer?.files[0];
  if (file) { event.preventDefault(); event.stopPropagation(); give(file); }
}, true);
document.addEventListener("paste", event => {
  const file = [...event.clipboardData?.files || []][0];
  if (file) { event.preventDefault(); give(file); }
});

// Kept work

const NAME = "cefnet", DAY = 24 * 3600 * 1000;
function store(mode, use) { // a request to the browser's database; null where there is none
  return new Promise(done => {
    const opening = window.indexedDB?.open(NAME, 1);
    if (!opening) return done(null);
    opening.onupgradeneeded = () => opening.result.createObjectStore("photos");
    opening.onerror = () => done(null);
    opening.onsuccess = () => {
      const request = use(opening.result.transaction("photos", mode).objectStore("photos"));
      request.onsuccess = () => done(request.result);
      request.onerror = () => done(null);
    };
  });
}
const kept = () => { try { return JSON.parse(sessionStorage.getItem(NAME)); } catch { return null; } };
const tab = kept()?.tab || crypto.randomUUID?.() || String(Math.random());
let waiting = null; // what is asked again as soon as the photo is back

document.addEventListener("change", event => { // an upload, from wherever it came
  const file = event.target === box() && event.target.files[0];
  if (!file) return;
  if (event.isTrusted) waiting = null;
  store("readwrite", all => all.put({file, time: Date.now()}, tab));
}, true);

function keep() {
  const now = scene();
  if (!now.digest) return;
  if (waiting && !now.items.length && now.example === null) {
    const items = waiting;
    waiting = null;
    if (items.length) act("restore", {items});
    return;
  }
  const items = now.items.filter(item => !item.draft).map(({text, clicks}) => ({text, clicks}));
  try { sessionStorage.setItem(NAME, JSON.stringify({tab, example: now.example, items})); } catch { /* private mode */ }
}

window.cefnetKept = async () => { // what the page starts with: see `connect_examples` in app/events.py
  const work = kept();
  if (!work) { // a new visit: photos of others that are a day old go
    const old = await store("readonly", all => all.getAllKeys()) || [];
    for (const key of old) {
      const one = await store("readonly", all => all.get(key));
      if (Date.now() - one.time > DAY) await store("readwrite", all => all.delete(key));
    }
    return null;
  }
  if (work.example !== null) return work;
  const photo = await store("readonly", all => all.get(tab));
  if (!photo) return null;
  waiting = work.items;
  for (let tries = 0; tries < 100 && !box(); tries++) await new Promise(done => setTimeout(done, 50));
  give(photo.file);
  return {...work, photo: true};
};

watch(["value", "photo"], () => { state.swipe = null; draw(); });
draw();
