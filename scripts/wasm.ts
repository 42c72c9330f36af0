import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const root = join(import.meta.dirname, '..');
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd'];

/** A program in `wasm/` and the module that holds it compiled. */
export interface WasmProgram {
  /** The source's name in `wasm/`, without `.ts`. */
  readonly name: string;
  readonly module: string;
  /** The areas in the source end where this does: pages of 64 KiB. */
  readonly pages: number;
}

export const PROGRAMS: readonly WasmProgram[] = [
  { name: 'canal-scanner', module: join(root, 'src/formats/canal-scanner-code.ts'), pages: 140 },
  { name: 'json-string', module: join(root, 'src/sinks/json-string-code.ts'), pages: 8 },
];

/** What the module of a program has to hold: made of its source, the same each time. */
export async function moduleText({ name, pages }: WasmProgram): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-wasm-'));
  try {
    const outFile = join(directory, `${name}.wasm`);
    const memory = ['--initialMemory', String(pages), '--maximumMemory', String(pages)];
    const source = [`${name}.ts`, '--baseDir', join(root, 'wasm'), '--outFile', outFile];
    const { error, stderr } = await asc.main([...source, ...OPTIONS, ...memory]);
    if (error !== null) throw new Error(`wasm/${name}.ts cannot be compiled: ${stderr.toString()}`);
    const lines = (await readFile(outFile)).toString('base64').match(/.{1,100}/g) ?? [];
    const text = lines.map((line) => `  '${line}',`).join('\n');
    const constant = `${name.replaceAll('-', '_').toUpperCase()}_CODE`;
    return `// Made of wasm/${name}.ts by \`npm run build:wasm\`; a test holds the two together.

/** WebAssembly in base64, line by line. */
export const ${constant}: readonly string[] = [\n${text}\n];\n`;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) for (const program of PROGRAMS) await writeFile(program.module, await moduleText(program));
