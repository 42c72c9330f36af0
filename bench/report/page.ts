import { markdownTable, tableOf } from '../table.ts';
import { plotsOf } from './plots.ts';
import type { GoalLine, Result } from './result.ts';

const BEGIN = '<!-- results: written by npm run bench:report -->';
const END = '<!-- end of results -->';

/** The page with everything between its markers replaced. Throws when a marker is missing. */
export function withResults(page: string, results: readonly Result[]): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`the page has no lines "${BEGIN}" and "${END}"`);
  const sections = results.map(sectionOf).join('\n\n');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${sections}\n\n${page.slice(end)}`;
}

/** One result as Markdown: its plots are in `performance/` beside the page. */
export function sectionOf(result: Result): string {
  const { configuration, figures, name, runs, table, wrongRuns } = result;
  // One result seldom shows all of them; the others would hide those that it does.
  const goals = result.goals.filter(({ reached }) => reached !== null);
  const parts = [`### ${name}`];
  if (wrongRuns > 0) parts.push(`**${wrongRuns} of ${runs} runs ended wrong and have no figure.**`);
  if (goals.length > 0)
    parts.push(markdownTable(['goal', 'what', 'measured', 'target', 'reached'], goals.map(goalCells)));
  if (figures.length > 0) parts.push(tableOf(figures).replaceAll('NaN', ''));
  if (table !== null) parts.push(table);
  parts.push(...plotsOf(result).map(({ file, title }) => `![${title}](performance/${file})`));
  const settings = Object.entries(configuration).map(([key, value]) => [key, cell(value)]);
  if (settings.length > 0) parts.push(markdownTable(['measured with', ''], settings));
  return parts.join('\n\n');
}

function goalCells({ goal, text, measured, target, reached }: GoalLine): string[] {
  const verdict = reached === null ? 'not measured' : reached ? 'yes' : '**no**';
  return [goal, cell(text), cell(measured), cell(target), verdict];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
