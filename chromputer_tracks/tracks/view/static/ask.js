// Questions to the server, and what waits until the browser has come to rest.

let open = 0;

// Whether something is still to come: a question without its answer, or one not put yet.
export const busy = () => open > 0;

// The answer to a question of the place in view, as an object.
export async function ask(path, query) {
  open += 1;
  try {
    return await (await fetch(`live/${path}?${new URLSearchParams(query)}`)).json();
  } finally {
    open -= 1;
  }
}

// A function that runs an action when it has not been called for a while; another pause may be given.
export function rested(action, usual) {
  let timer;
  return (pause = usual) => {
    if (timer === undefined) {
      open += 1;
    }
    clearTimeout(timer);
    timer = setTimeout(async () => {
      timer = undefined;
      try {
        await action();
      } finally {
        open -= 1;
      }
    }, pause);
  };
}

// The one place in view; none where there are several, or the whole genome.
export function locusOf(browser) {
  const loci = [browser.currentLoci()].flat();
  // In a window that was resized it ends within a base.
  const [, chrom, first, last] = /^(.+):([\d,.]+)-([\d,.]+)$/.exec(loci[0] ?? "") ?? [];
  if (loci.length !== 1 || chrom === undefined) {
    return null;
  }
  const [start, end] = [first, last].map((text) => Number(text.replaceAll(",", "")));
  return { chrom, start: Math.floor(start) - 1, end: Math.ceil(end) };
}
