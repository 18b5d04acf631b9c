// The game: start, lesson, questions, end. All state is in the variables below.
const $ = (id) => document.getElementById(id);
const sections = ["start", "learn", "play", "end"];
let at = 0;
let answered = [];
let open = false;
let smooth = false;

const unsealed = (question) => JSON.parse(atob(question.sealed));
const label = (code) => data.classes[code].title || data.classes[code].name;
const rightOnes = (key) => answered.filter((item) => item[key] === item.truth).length;

function show(name, focus) {
  for (const section of sections) $(section).hidden = section !== name;
  window.scrollTo(0, 0);
  if (focus) $(focus).focus({ preventScroll: true });
}

function replace(id, ...children) {
  $(id).replaceChildren(...children);
}

// ---- lesson ----

function lessonCard(lesson, small) {
  const name = label(lesson.code);
  const card = element("article", { class: "lesson" }, element("h3", {}, swatched(lesson.code)));
  card.append(meanPlot(lesson, small ? sizes.small : sizes.medium, `Mean V-plot of ${name}`));
  if (small) return card;
  const sites = lesson.sites.toLocaleString("en");
  card.append(element("p", { class: "note" }, `Trimmed mean of ${sites} sites, ${lesson.fragments} fragments each`));
  const singles = element("div", { class: "singles" });
  lesson.examples.forEach((picture, k) => singles.append(
    examplePlot(picture, `A site of ${name}, example ${k + 1}`)));
  card.append(singles);
  return card;
}

// ---- questions ----

function scoreboard() {
  const entry = (name, key) => element("div", {}, element("dt", {}, name),
    element("dd", {}, String(rightOnes(key))));
  replace("score", entry("You", "human"), entry("Network", "model"), entry("Most common", "commonest"));
}

function picture() {
  const shown = data.questions[at].picture;
  const many = shown.fragments.toLocaleString("en");
  const toggle = element("button", { type: "button", class: "plain", "aria-pressed": String(smooth) },
    smooth ? "Show fragments" : "Smooth");
  toggle.addEventListener("click", turn);
  replace("picture",
    sitePlot(shown, `V-plot of question ${at + 1}: ${many} fragments`, smooth),
    element("figcaption", {}, element("span", {}, `${many} fragments of ${shortest} to ${longest} bp. ` +
      "Dashed: lengths of one and two nucleosomes; the profiles are the sums."), toggle));
}

function turn() {
  smooth = !smooth;
  picture();
}

function ask() {
  const question = data.questions[at];
  open = true;
  show("play", "question");
  replace("question", `Question ${at + 1} of ${data.questions.length}`);
  replace("ask", data.question);
  replace("buttons", ...question.choices.map((code, key) => {
    const button = element("button", { type: "button", class: "choice" },
      element("kbd", { "aria-hidden": "true" }, String(key + 1)), swatched(code));
    button.addEventListener("click", () => choose(code));
    return button;
  }));
  $("choices").hidden = false;
  $("result").hidden = true;
  $("seen").hidden = true;
  $("progress").value = at;
  scoreboard();
  picture();
}

function choose(code) {
  if (!open) return;
  open = false;
  const answer = { human: code, ...unsealed(data.questions[at]) };
  answered.push(answer);
  scoreboard();
  $("progress").value = at + 1;
  $("choices").hidden = true;
  replace("result", ...result(answer, data.questions[at].choices));
  $("result").hidden = false;
  seen(answer);
  $("result").focus({ preventScroll: true });
  $("result").scrollIntoView({ block: "nearest" });
}

function result(answer, choices) {
  const mark = (right) => element("span", { class: right ? "hit" : "miss" }, right ? "✓ right" : "✗ wrong");
  const line = (who, code) => element("li", {}, element("span", { class: "who" }, who), swatched(code),
    mark(code === answer.truth));
  const last = at + 1 === data.questions.length;
  const next = element("button", { type: "button", class: "primary", id: "next" },
    last ? "See the result" : "Next question");
  next.addEventListener("click", advance);
  return [
    element("p", { class: "verdict" }, answer.human === answer.truth ? "Right. " : "Wrong. ",
      "The truth is ", swatched(answer.truth)),
    element("ul", { class: "answers" }, line("You", answer.human), line("Network", answer.model)),
    element("p", { class: "actions" }, next, element("span", { class: "hint keys" }, "or press Enter")),
    element("p", { class: "locus" }, "Site ", element("code", {}, answer.site)),
    bars(answer, choices),
  ];
}

// The network's probabilities where all classes are equally frequent; those to choose from in full.
function bars(answer, choices) {
  const lines = data.offered.map((code) => {
    const share = answer.odds[code];
    const place = choices.includes(code) ? "" : " out";
    const notes = [code === answer.truth ? "truth" : "", code === answer.model ? "network" : "",
      code === answer.human ? "you" : ""].filter(Boolean).join(", ");
    return element("tr", { class: `bar${place}` },
      element("th", { scope: "row" }, element("span", { class: "swatch", style: `background:${data.classes[code].color}` }),
        data.classes[code].name),
      element("td", { class: "track" }, element("span", { class: "fill", style: `width:${100 * share}%` })),
      element("td", { class: "number" }, percent(share)),
      element("td", { class: "number genome" }, percent(answer.probabilities[code])),
      element("td", { class: "who" }, notes));
  });
  const heads = ["", "", "quiz", "genome", ""].map((name, k) =>
    element("th", { scope: "col", ...(k === 2 || k === 3 ? { class: "number" } : {}) }, name));
  return element("table", { class: "bars" }, element("caption", {}, element("span", {},
    "The network's probabilities. Quiz: with all classes equally frequent, as here. Genome: as in the tracks.")),
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines));
}

// What the network looked at, where the page has it.
function seen(answer) {
  if (!answer.seen) return;
  const name = label(answer.seen.code);
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(1);
  const parts = Object.entries(answer.seen.parts).map(([part, value]) =>
    `${data.seen.names[part]} ${signed(value)}`);
  replace("seen", seenPlot(answer.seen, `Contributions of the V-plot to ${name}`),
    element("figcaption", {}, element("span", {}, "What the network looked at: fragments that spoke ",
      element("span", { class: "for" }, "for"), " and ", element("span", { class: "against" }, "against"),
      ` ${name}. In all, in units of its logit: ${parts.join(", ")}.`)));
  $("seen").hidden = false;
}

function advance() {
  if (open || $("play").hidden) return;
  at += 1;
  if (at < data.questions.length) ask();
  else finish();
}

// ---- end ----

function finish() {
  show("end", "end-title");
  const [human, model, of] = [rightOnes("human"), rightOnes("model"), answered.length];
  replace("end-title", `${verdict(human, model)}: ${human} to ${model} of ${of}`);
  replace("summary", ...summary(answered));
  $("line").value = shareLine(answered);
  replace("share", "Copy the result");
}

function begin() {
  at = 0;
  answered = [];
  ask();
}

async function share() {
  $("line").select();
  try {
    await navigator.clipboard.writeText($("line").value);
    replace("share", "Copied");
  } catch {
    replace("share", document.execCommand("copy") ? "Copied" : "Press Ctrl-C to copy the line below");
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("play").hidden) return;
  const choices = data.questions[at].choices;
  const number = Number(event.key);
  if (open && number >= 1 && number <= choices.length) choose(choices[number - 1]);
  else if (event.key.toLowerCase() === "s") turn();
  else if (event.key === "Enter" && !open && !["BUTTON", "SUMMARY"].includes(event.target.tagName)) {
    event.preventDefault();
    advance();
  }
});

if (data.lessons.length) {
  replace("lessons", ...data.lessons.map((lesson) => lessonCard(lesson, false)));
  replace("means", ...data.lessons.map((lesson) => lessonCard(lesson, true)));
  $("study").addEventListener("click", () => show("learn", "learn-title"));
  $("begin-now").addEventListener("click", begin);
}
narrow.addEventListener("change", () => {
  if ($("play").hidden) return;
  picture();
  if (!open) seen(answered[at]);
});
$("begin").addEventListener("click", begin);
$("again").addEventListener("click", begin);
$("share").addEventListener("click", share);
