import type { Difference } from './checker.ts';
import type { OddExit } from './instance.ts';

/** What a run was, and what it found. */
export interface Report {
  readonly seed: number;
  readonly minutes: number;
  readonly rounds: number;
  readonly settings: string;
  readonly records: number;
  readonly changes: number;
  readonly keys: number;
  readonly deletedKeys: number;
  /** How often each fault happened, by name. */
  readonly faults: ReadonlyMap<string, number>;
  /** Link faults that met no traffic. */
  readonly idleFaults: number;
  readonly replays: number;
  readonly conflicts: number;
  readonly unknown: number;
  readonly parked: number;
  readonly gapRuns: number;
  readonly changesInGaps: number;
  /** Deletes that a check found undone (forgotten, or parked until then), and keys that were back at the first look. */
  readonly deletesRepeated: number;
  readonly ghosts: number;
  readonly rebalances: number;
  readonly maxLag: number;
  readonly restMs: readonly number[];
  readonly difference: Difference;
  readonly peakResidentBytes: number;
  readonly oddExits: readonly OddExit[];
  /** Everything that is wrong, in words; empty when nothing is. */
  readonly problems: readonly string[];
}

const MIB = 1 << 20;

/** The table of a run: one fact a line. */
export function tableOf(report: Report): string {
  const count = [...report.faults.values()].reduce((sum, one) => sum + one, 0);
  const { difference } = report;
  const rows: [string, string][] = [
    ['run', `seed ${report.seed}, ${report.minutes} minutes of faults in ${report.rounds} rounds`],
    ['settings', report.settings],
    ['changes', `${number(report.changes)} in ${number(report.records)} records`],
    ['keys', `${number(report.keys)}, ${number(report.deletedKeys)} of them deleted in the end`],
    ['faults', `${count}, of which ${report.idleFaults} link faults met no traffic`],
    ...byKind(report.faults),
    ['replays', `${number(report.replays)} records were read more than once, at least`],
    ['conflicts', `${number(report.conflicts)} (409: the index had something newer)`],
    ['unknown outcomes', `${number(report.unknown)} writes failed or were never answered, and were sent again`],
    ['rebalances', number(report.rebalances)],
    ['parked', `${number(report.parked)} keys`],
    ['journal gaps', `${number(report.gapRuns)}, with ${number(report.changesInGaps)} changes that only they list`],
    [
      'deletes',
      `${number(report.deletesRepeated)} were sent again by later checks; ${report.ghosts} deleted keys were there at a first look`,
    ],
    ['max lag', `${number(report.maxLag)} records`],
    ['time to rest', report.restMs.map((ms) => `${(ms / 1000).toFixed(1)} s`).join(', ')],
    ['exits', exitsOf(report.oddExits)],
    ['peak RSS', `${Math.round(report.peakResidentBytes / MIB)} MiB`],
    [
      'at rest',
      `missing=${difference.missing} extra=${difference.extra} stale=${difference.stale} wrong=${difference.wrong}`,
    ],
    [
      'compared',
      'documents, versions, extra ids, journal, gaps, positions, committed offsets, parked keys, dead letters',
    ],
    ['problems', report.problems.length === 0 ? 'none' : `${report.problems.length}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
}

function byKind(faults: Report['faults']): [string, string][] {
  const groups = new Map<string, string[]>();
  for (const [name, count] of [...faults].sort(([a], [b]) => a.localeCompare(b))) {
    const [group, rest] = name.includes(' link ') ? name.split(/ (?=link )/) : ['others', name];
    const list = groups.get(group as string) ?? [];
    list.push(`${(rest as string).replace('link ', '')} ${count}`);
    groups.set(group as string, list);
  }
  return [...groups].map(([group, list]) => [
    group === 'others' ? '  processes, servers' : `  ${group} link`,
    list.join(', '),
  ]);
}

function exitsOf(exits: readonly OddExit[]): string {
  if (exits.length === 0) return 'none but those asked for';
  const counts = new Map<string, number>();
  for (const { code, reason } of exits) {
    const name = `${reason} (exit ${code})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
