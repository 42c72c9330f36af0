import type { Figures } from '../figures.ts';
import { whole } from '../table.ts';
import { type Bar, type BarChart, barChart } from './bars.ts';
import type { Result } from './result.ts';

export interface Plot {
  /** `<result>-rows.svg` or `<result>-cpu.svg`. */
  readonly file: string;
  /** What it shows, for those who do not see it. */
  readonly title: string;
  readonly svg: string;
}

const OWN = 'own process';
/** In this order, so that a server has its colour whichever of them were there. */
const SERVERS = ['kafka', 'redis', 'mariadb', 'elasticsearch'];

/** CPU a row by process, and rows a second; nothing for a result without figures. */
export function plotsOf({ name, figures }: Result): readonly Plot[] {
  if (figures.length === 0) return [];
  const others = [...new Set(figures.flatMap((one) => Object.keys(one.serverCpuUs)))].filter(
    (one) => !SERVERS.includes(one),
  );
  const charts: readonly [string, BarChart][] = [
    [
      'cpu',
      {
        title: 'CPU a row, medians: own process + servers',
        unit: 'µs/row',
        series: [OWN, ...SERVERS, ...others.toSorted()],
        groups: byLoad(figures, cpuBar),
      },
    ],
    [
      'rows',
      {
        title: 'Rows a second (median, least to greatest)',
        unit: 'rows/s',
        series: ['rows/s'],
        groups: byLoad(figures, rateBar),
      },
    ],
  ];
  return charts.map(([kind, chart]) => ({ file: `${name}-${kind}.svg`, title: chart.title, svg: barChart(chart) }));
}

function byLoad(figures: readonly Figures[], barOf: (figures: Figures) => Bar): BarChart['groups'] {
  const groups = Map.groupBy(figures, ({ load }) => load);
  return [...groups].map(([name, some]) => ({ name, bars: some.map(barOf) }));
}

function rateBar({ scenario, rowsPerSecond: { min, median, max } }: Figures): Bar {
  const parts = [{ series: 'rows/s', value: median }];
  return { label: scenario, parts, whisker: { min, max }, text: whole(median) };
}

function cpuBar({ scenario, ownCpuUs, serverCpuUs }: Figures): Bar {
  const servers = Object.entries(serverCpuUs).filter(([, value]) => value > 0);
  const order = ([name]: [string, number]): number => (SERVERS.includes(name) ? SERVERS.indexOf(name) : SERVERS.length);
  const sorted = servers.toSorted((left, right) => order(left) - order(right));
  const parts = [{ series: OWN, value: ownCpuUs.median }, ...sorted.map(([series, value]) => ({ series, value }))];
  const sum = servers.reduce((total, [, value]) => total + value, 0);
  const text = sum > 0 ? `${ownCpuUs.median.toFixed(1)} + ${sum.toFixed(1)}` : ownCpuUs.median.toFixed(1);
  return { label: scenario, parts, whisker: null, text };
}
