/** A horizontal bar: parts one after the other from the left, and perhaps a line from the least to the greatest value. */
export interface Bar {
  readonly label: string;
  readonly parts: readonly { readonly series: string; readonly value: number }[];
  readonly whisker: { readonly min: number; readonly max: number } | null;
  /** What stands behind the bar. */
  readonly text: string;
}

export interface BarChart {
  readonly title: string;
  /** What the axis counts: `rows/s`. */
  readonly unit: string;
  /** Series in the order of their colours; a legend is drawn when there are several. */
  readonly series: readonly string[];
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
}

const WIDTH = 860;
const LEFT = 150;
/** Room for the text behind the longest bar. */
const RIGHT = 190;
const BAR = 16;
const STEP = 24;
const HEAD = 30;
const COLOURS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Readable on a light page and on a dark one: the colours follow what the reader prefers. */
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 14px; font-weight: 600 }
.group { font-weight: 600 }
.axis { fill: #57606a; font-size: 11px }
.grid { stroke: #d0d7de }
.whisker { stroke: #24292f; stroke-width: 1.5 }
.a { fill: #4477aa } .b { fill: #ee8866 } .c { fill: #44aa99 } .d { fill: #bbaa33 } .e { fill: #aa4499 } .f { fill: #888888 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .axis { fill: #9198a1 } .grid { stroke: #3d444d } .whisker { stroke: #e6edf3 }
.a { fill: #77aadd } .b { fill: #ffaabb } .c { fill: #66ccbb } .d { fill: #ddcc77 } .e { fill: #cc88bb } .f { fill: #aaaaaa }
}`;

/** Draws the chart as a whole SVG document. A chart without bars is an error. */
export function barChart({ title, unit, series, groups }: BarChart): string {
  const bars = groups.flatMap((group) => group.bars);
  if (bars.length === 0) throw new Error(`nothing to draw in ${title}`);
  const most = Math.max(...bars.map((bar) => Math.max(sumOf(bar), bar.whisker?.max ?? 0)));
  const ticks = ticksUpTo(most);
  const scale = (WIDTH - LEFT - RIGHT) / Math.max(most, ticks.at(-1) ?? 0, Number.MIN_VALUE);
  const at = (value: number): string => (LEFT + value * scale).toFixed(1);
  const drawn: string[] = [`<text class="title" x="8" y="20">${escaped(title)}</text>`];
  let y = HEAD + (series.length > 1 ? STEP : 0);
  if (series.length > 1) drawn.push(...legend(series));
  const top = y;
  for (const { name, bars } of groups) {
    drawn.push(`<text class="group" x="8" y="${y + 14}">${escaped(name)}</text>`);
    y += STEP;
    for (const bar of bars) {
      drawn.push(`<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${escaped(bar.label)}</text>`);
      let from = 0;
      for (const { series: of, value } of bar.parts) {
        const width = (value * scale).toFixed(1);
        drawn.push(
          `<rect class="${colourOf(series, of)}" x="${at(from)}" y="${y}" width="${width}" height="${BAR}"><title>${escaped(of)}</title></rect>`,
        );
        from += value;
      }
      if (bar.whisker !== null) drawn.push(whisker(at(bar.whisker.min), at(bar.whisker.max), y));
      drawn.push(
        `<text x="${Number(at(Math.max(from, bar.whisker?.max ?? 0))) + 6}" y="${y + 12}">${escaped(bar.text)}</text>`,
      );
      y += STEP;
    }
  }
  const grid = ticks.map(
    (tick) =>
      `<line class="grid" x1="${at(tick)}" y1="${top}" x2="${at(tick)}" y2="${y}"/><text class="axis" x="${at(tick)}" y="${y + 16}" text-anchor="middle">${tick.toLocaleString('en-US')}</text>`,
  );
  grid.push(`<text class="axis" x="${WIDTH - RIGHT + 20}" y="${y + 16}">${escaped(unit)}</text>`);
  const height = y + 28;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">`;
  return `${[open, `<style>${STYLE}\n</style>`, ...grid, ...drawn, '</svg>'].join('\n')}\n`;
}

function sumOf({ parts }: Bar): number {
  return parts.reduce((sum, { value }) => sum + value, 0);
}

function legend(series: readonly string[]): string[] {
  const step = Math.min(120, Math.floor((WIDTH - LEFT) / series.length));
  return series.map((name, index) => {
    const x = LEFT + index * step;
    const box = `<rect class="${colourOf(series, name)}" x="${x}" y="${HEAD}" width="12" height="12"/>`;
    return `${box}<text x="${x + 18}" y="${HEAD + 11}">${escaped(name)}</text>`;
  });
}

function whisker(from: string, to: string, y: number): string {
  const middle = y + BAR / 2;
  const end = (x: string): string => `M${x} ${middle - 4}V${middle + 4}`;
  return `<path class="whisker" d="${end(from)}M${from} ${middle}H${to}${end(to)}"/>`;
}

function colourOf(series: readonly string[], name: string): string {
  return COLOURS[Math.max(0, series.indexOf(name)) % COLOURS.length] as string;
}

/** Round values from 0 on, at most six, the last at or below `most`. */
export function ticksUpTo(most: number): readonly number[] {
  if (!(most > 0)) return [0];
  const size = 10 ** Math.floor(Math.log10(most / 5));
  const step = [1, 2, 5, 10].map((times) => times * size).find((one) => most / one < 6) as number;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
