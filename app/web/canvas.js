// The canvas: draws `props.photo` and the outlines of `props.value` (see app/canvas.py), and says what was pointed at.
// `act` events ask or change something on the server, `look` events say what is looked at.
const texts = props.texts, stage = element.querySelector(".stage"), panes = element.querySelector(".panes");
const state = {view: props.models[0].name, style: "fill", tool: "here", hidden: new Set(), guessed: new Set(), at: null, swipe: null};
const NS = "http://www.w3.org/2000/svg";
const scene = () => props.value?.items ? props.value : {items: [], size: [3, 4]};
const focused = () => scene().items.find(item => item.key === scene().focus);
const act = (what, more = {}) => trigger("act", {do: what, ...more});
const escaped = text => { const at = document.createElement("i"); at.textContent = text; return at.innerHTML; };

// Choices in the bar

function choices(where, options, key, changed) {
  const box = element.querySelector(where);
  box.innerHTML = options.map(([value, label, title]) =>
    `<button type="button" role="radio" value="${value}" title="${escaped(title || label)}">${escaped(label)}</button>`).join("");
  const mark = () => box.querySelectorAll("button").forEach(one => {
    one.setAttribute("aria-checked", one.value === state[key]);
    one.tabIndex = one.value === state[key] ? 0 : -1;
  });
  const choose = button => { state[key] = button.value; mark(); draw(); changed?.(button.value); };
  box.addEventListener("click", event => event.target.closest("button") && choose(event.target.closest("button")));
  box.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...box.querySelectorAll("button")], next = all[(all.indexOf(event.target) + step + all.length) % all.length];
    next.focus();
    choose(next);
  });
  mark();
}

const models = props.models.map(model => [model.name, model.short, model.long]);
const two = models.length > 1 ? [["both", texts.both, texts.both_long], ["swipe", texts.swipe, texts.swipe_long]] : [];
choices(".views", [...models, ...two], "view", view => props.models.some(one => one.name === view) && trigger("look", {model: view}));
choices(".styles", Object.entries(texts.style), "style");
choices(".tools", [["here", texts.here, texts.here_long], ["not", texts.not, texts.not_long]], "tool");

// Drawing

function shown(item, model) { // the path that is drawn of an item, and whether it is certain
  const answer = item.answers[model];
  if (state.hidden.has(item.key)) return null;
  if (answer.path) return {path: answer.path, dashed: answer.sure === "unsure"};
  return state.guessed.has(item.key) && answer.guess ? {path: answer.guess, dashed: true} : null;
}

function layer(model, id) { // the masks of one model as the inside of an SVG
  const [h, w] = scene().size, everything = `<rect width="${w}" height="${h}"`;
  const items = scene().items.map(item => ({item, ...shown(item, model)})).filter(one => one.path);
  if (!items.length) return "";
  const cut = items.map(one => `<path d="${one.path}" fill-rule="evenodd" fill="black"/>`).join("");
  const outside = `<mask id="${id}">${everything} fill="white"/>${cut}</mask>`;
  const veil = {fill: ["#000", 0.4], outline: ["#000", 0], spotlight: ["#000", 0.8], cutout: ["url(#squares)", 1]}[state.style];
  const squares = `<pattern id="squares" width="24" height="24" patternUnits="userSpaceOnUse"><rect width="24" height="24" fill="#fff"/>
    <path d="M0 0h12v12h12v12h-12v-12h-12z" fill="#d4d7dd"/></pattern>`;
  const strokes = items.map(({item, path, dashed}) => {
    const now = item.key === scene().focus, tint = state.style === "fill" ? (now ? 0.4 : 0.22) : 0;
    const dash = dashed ? ' stroke-dasharray="7 5"' : "";
    const line = state.style === "cutout" ? "" :
      `<path d="${path}" class="halo"${dash}/><path d="${path}" class="line${now ? " now" : ""}" stroke="${item.colour}"${dash}/>`;
    return `<path d="${path}" fill-rule="evenodd" fill="${item.colour}" fill-opacity="${tint}" data-key="${item.key}"/>${line}`;
  }).join("");
  return `<defs>${outside}${squares}</defs>${everything} fill="${veil[0]}" fill-opacity="${veil[1]}" mask="url(#${id})"/>${strokes}`;
}

function clicks() { // what was pointed at, of the item in focus
  const [h, w] = scene().size, r = Math.max(h, w) / 90;
  return (focused()?.clicks || []).map(([y, x, here]) =>
    `<g class="click ${here ? "here" : "not"}" transform="translate(${x * w} ${y * h}) scale(${r})"><circle r="1"/>
     <path d="M-.5 0H.5${here ? "M0 -.5V.5" : ""}"/></g>`).join("");
}

function svg(model, id, style = "") {
  const [h, w] = scene().size;
  return `<svg viewBox="0 0 ${w} ${h}" preserveAspectRatio="none" aria-hidden="true"${style}>${layer(model, id)}${clicks()}</svg>`;
}

function alt(models) {
  const items = scene().items.map(item => models.map(model => `${item.text}: ${item.answers[model.name].words}`).join(", "));
  return `${texts.photo}. ${items.join("; ")}`;
}

function draw() {
  const has = Boolean(props.photo);
  element.querySelector(".empty").hidden = has;
  element.classList.toggle("ready", has);
  const all = props.models, one = all.filter(model => model.name === state.view);
  const sets = !has ? [] : state.view === "both" ? all.slice(0, 2).map(model => [model]) : state.view === "swipe" ? [all.slice(0, 2)] : [one];
  panes.innerHTML = sets.map((set, n) => `<figure><img src="${props.photo}" alt="${escaped(alt(set)).replaceAll('"', "&quot;")}" draggable="false">
    ${set.map((model, m) => svg(model.name, `outside-${n}-${m}`, set.length > 1 ? ` class="swipe-${m}"` : "")).join("")}
    <svg class="aim" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" hidden></svg>
    ${set.length > 1 ? `<input type="range" min="0" max="100" aria-label="${escaped(texts.swipe_long)}">` : ""}
    ${sets.length + set.length > 2 ? set.map(model => `<figcaption>${escaped(model.short)}</figcaption>`).join("") : ""}</figure>`).join("");
  const range = panes.querySelector("input");
  if (range) {
    range.value = state.swipe ?? middle();
    const move = () => { state.swipe = range.value; panes.firstChild.style.setProperty("--at", range.value + "%"); };
    range.addEventListener("input", move);
    panes.firstChild.style.setProperty("--at", range.value + "%");
  }
  const compare = element.querySelector(".differ");
  compare.hidden = !sets.length || sets.length + sets[0].length < 3;
  compare.innerHTML = `${scene().agreement || ""} ${props.measured || ""}`;
  element.querySelector(".said").textContent = scene().said || "";
  const now = focused();
  element.querySelector("[data-do=undo]").disabled = !now?.clicks.length;
  element.querySelector("[data-do=reset]").disabled = !now?.mended;
  fit();
  list();
  keep();
}

function middle() { // of the answer in focus, so that both sides of the border show some of it, in percent
  const numbers = props.models.map(model => focused()?.answers[model.name].path || "").join("").match(/[ML][\d.]+/g) || [];
  const xs = numbers.map(text => parseFloat(text.slice(1)));
  return xs.length ? 50 * (Math.min(...xs) + Math.max(...xs)) / scene().size[1] : 50;
}

function fit() { // the photo as large as the stage takes it
  const figures = [...panes.children], [h, w] = scene().size, across = state.view === "both" && stage.clientWidth > stage.clientHeight * 0.9;
  panes.classList.toggle("across", across);
  const room = {w: stage.clientWidth / (across ? figures.length : 1) - (across ? 4 : 0), h: stage.clientHeight / (across ? 1 : figures.length || 1)};
  const scale = Math.min(room.w / w, room.h / h);
  figures.forEach(one => { one.style.width = `${w * scale}px`; one.style.height = `${h * scale}px`; });
}
new ResizeObserver(fit).observe(stage);

// Pointing

function place(event) { // y, x as shares of the photo's sides, or null beside it
  const box = event.target.closest("figure")?.getBoundingClientRect();
  const [x, y] = box ? [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height] : [-1, -1];
  return x >= 0 && x < 1 && y >= 0 && y < 1 ? [y, x] : null;
}
const point = (at, here) => act("point", {y: at[0], x: at[1], here, key: scene().focus ?? null});
panes.addEventListener("click", event => {
  if (event.target.closest("input")) return;
  const at = place(event);
  if (at) point(at, state.tool === "here" && !event.altKey);
});

function aim(at) { // the cross that the keys move
  state.at = at && at.map(v => Math.min(Math.max(v, 0), 0.999));
  panes.querySelectorAll(".aim").forEach(one => {
    one.toggleAttribute("hidden", !at);
    if (at) one.innerHTML = `<path d="M0 ${100 * state.at[0]}H100M${100 * state.at[1]} 0V100"/>`;
  });
}
stage.addEventListener("keydown", event => {
  if (event.target !== stage || !props.photo) return;
  const far = event.shiftKey ? 0.1 : 0.02, [y, x] = state.at || [0.5, 0.5];
  const moved = {ArrowUp: [y - far, x], ArrowDown: [y + far, x], ArrowLeft: [y, x - far], ArrowRight: [y, x + far]}[event.key];
  if (moved) aim(moved);
  else if (event.key === "Enter" || event.key === " ") point(state.at || [y, x], state.tool === "here" && !event.altKey);
  else if (event.key === "Escape") aim(null);
  else return;
  event.preventDefault();
});
stage.addEventListener("blur", () => aim(null));
element.querySelector(".actions").addEventListener("click", event => {
  const what = event.target.closest("button")?.dataset.do;
  if (what) act(what, {key: scene().focus});
});
element.querySelector(".large").addEventListener("click", () => {
  document.fullscreenElement ? document.exitFullscreen() : element.closest("#canvas").requestFullscreen();
});

// The list of what was asked

function list() {
  const box = document.querySelector("#asked ol");
  if (!box) return;
  box.closest("#asked").classList.toggle("some", scene().items.length > 0);
  const compared = state.view === "both" || state.view === "swipe" ? props.models.slice(0, 2) : props.models.filter(one => one.name === state.view);
  box.innerHTML = scene().items.map(item => {
    const now = item.key === scene().focus, off = state.hidden.has(item.key), name = item.text || texts.pointed;
    const sure = compared.map(model => {
      const answer = item.answers[model.name], who = compared.length > 1 ? model.short + " " : "";
      return `<span class="sure ${answer.sure}" title="${escaped(answer.number)}">${who}${escaped(item.draft && answer.sure === "nothing" ? texts.draft : answer.words)}</span>`;
    }).join(" · ");
    const button = (what, label, more = "") => `<button type="button" data-do="${what}" ${more}>${label}</button>`;
    const drawable = compared.some(model => shown(item, model.name)), nothing = compared.every(model => !item.answers[model.name].path);
    const guess = nothing && compared.some(model => item.answers[model.name].guess);
    return `<li class="${now ? "now" : ""}" data-key="${item.key}">
      <button type="button" class="name" data-do="focus" aria-current="${now}"><i class="swatch" style="background:${item.colour}"></i>${escaped(name)}</button>
      ${button("eye", off ? "◌" : "◉", `class="icon" aria-pressed="${!off}" aria-label="${escaped(texts.eye + " " + name)}" title="${texts.eye}"`)}
      ${button("drop", "×", `class="icon" aria-label="${escaped(texts.remove + " " + name)}" title="${texts.remove}"`)}
      <p>${sure} <small>${escaped(item.answers[compared[0].name].area)}</small></p>
      <div class="more">
        ${guess ? button("guess", state.guessed.has(item.key) ? texts.hide_guess : texts.guess) : ""}
        ${now && !item.draft ? button("next", texts.next) : ""}
        ${now && drawable ? `<img class="cut" alt="${escaped(texts.drag)}" title="${escaped(texts.drag)}" draggable="true">` + button("copy", texts.copy) + button("save", texts.save) : ""}
      </div></li>`;
  }).join("");
  thumbnail();
}

document.addEventListener("click", event => {
  const button = event.target.closest("#asked button"), key = Number(button?.closest("li")?.dataset.key);
  if (!key) return;
  const what = button.dataset.do, flip = set => { set.has(key) ? set.delete(key) : set.add(key); draw(); };
  if (what === "eye") flip(state.hidden);
  else if (what === "guess") flip(state.guessed);
  else if (what === "copy") copy(button);
  else if (what === "save") save();
  else if (what === "focus") trigger("look", {key});
  else act(what, {key});
});

async function save() { // at full size, by the server: its button is there once "Take it away" is open
  const button = () => document.querySelector("#take-cutout");
  if (!button()) document.querySelector("#take button").click();
  while (!button()) await new Promise(done => setTimeout(done, 50));
  button().click();
}

// Cut-outs of the item in focus, as large as it is shown: transparent around it, its edge a pixel soft

async function cutout() {
  const item = focused(), model = props.models.some(one => one.name === state.view) ? state.view : props.models[0].name;
  const drawn = item && shown(item, model);
  if (!drawn) return null;
  const photo = new Image();
  photo.src = props.photo;
  await photo.decode();
  const numbers = drawn.path.match(/[\d.]+/g).map(Number), xs = numbers.filter((_, n) => n % 2 === 0), ys = numbers.filter((_, n) => n % 2);
  const least = list => Math.max(0, Math.floor(list.reduce((a, b) => Math.min(a, b))) - 2), most = list => Math.ceil(list.reduce((a, b) => Math.max(a, b))) + 2;
  const [left, top] = [least(xs), least(ys)], canvas = document.createElement("canvas");
  canvas.width = Math.min(most(xs), photo.naturalWidth) - left;
  canvas.height = Math.min(most(ys), photo.naturalHeight) - top;
  const pen = canvas.getContext("2d");
  pen.translate(-left, -top);
  pen.filter = "blur(0.7px)";
  pen.fill(new Path2D(drawn.path), "evenodd");
  pen.filter = "none";
  pen.globalCompositeOperation = "source-in";
  pen.drawImage(photo, 0, 0);
  return canvas;
}
async function thumbnail() {
  const image = document.querySelector("#asked img.cut");
  const canvas = image && await cutout();
  if (canvas) image.src = canvas.toDataURL();
}
async function copy(button) {
  const canvas = await cutout();
  try {
    await navigator.clipboard.write([new ClipboardItem({"image/png": await new Promise(done => canvas.toBlob(done))})]);
    button.textContent = texts.copied;
  } catch { button.textContent = texts.no_copy; }
}

// Pictures of the drawer open large; the answers among them can be taken

document.addEventListener("click", event => {
  const use = event.target.closest(".strip .use");
  if (use) return act("use", {text: use.dataset.words});
  const picture = event.target.closest(".strip .open")?.querySelector("img") || event.target.closest("#results .image-frame img");
  if (!picture || picture.closest("#attention")) return;
  const box = element.querySelector(".lightbox"), caption = picture.closest("figure")?.querySelector("figcaption");
  box.querySelector("img").src = picture.src;
  box.querySelector("img").alt = picture.alt;
  box.querySelector("p").textContent = caption?.innerText || picture.alt;
  box.showModal();
});
