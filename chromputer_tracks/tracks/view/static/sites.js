// Going through the sites of a label, the strongest first.

const at = (id) => document.getElementById(id);

// sites: [{group, name, explained, places: [[contig, base], ...], total}]; go: shows a locus,
// showGroup: the tracks of a group.
export function siteControls(sites, go, showGroup) {
  const lists = sites.filter(({ places }) => places.length > 0);
  if (lists.length === 0) {
    return;
  }
  let list = lists.find(({ explained }) => explained) ?? lists[0];
  let row = 0;

  for (const item of lists) {
    const option = document.createElement("option");
    option.textContent = item.name;
    option.selected = item === list;
    at("list").append(option);
  }

  const count = () => {
    const all = list.total.toLocaleString("en");
    const shown = list.places.length < list.total ? `strongest of ${all}` : `of ${all}`;
    at("place").textContent = `${(row + 1).toLocaleString("en")} ${shown}`;
    at("previous").disabled = row === 0;
    at("next").disabled = row === list.places.length - 1;
  };

  const show = () => {
    count();
    const [contig, base] = list.places[row];
    const width = Number(document.querySelector("#widths :checked").value);
    const start = Math.max(0, base - width / 2);
    return go(`${contig}:${start + 1}-${start + width}`);
  };

  const step = (by) => {
    row = Math.min(Math.max(row + by, 0), list.places.length - 1);
    return show();
  };

  at("list").addEventListener("change", () => {
    list = lists[at("list").selectedIndex];
    row = 0;
    showGroup(list.group);
    show();
  });
  at("previous").addEventListener("click", () => step(-1));
  at("next").addEventListener("click", () => step(1));
  at("widths").addEventListener("change", show);
  document.addEventListener("keydown", (event) => {
    const typing = event.composedPath()[0].matches?.("input:not([type=radio], [type=checkbox]), textarea");
    if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (event.key === ",") step(-1);
      if (event.key === ".") step(1);
    }
  });
  count();
  at("sites").hidden = false;
}
