import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const root = join(import.meta.dirname, '..');
const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd'];
/** The areas in `wasm/canal-scanner.ts` end where this does: 140 pages of 64 KiB. */
const MEMORY = ['--initialMemory', '140', '--maximumMemory', '140'];

/** The module that holds the scanner compiled. */
export const SCANNER_CODE = join(root, 'src/formats/canal-scanner-code.ts');

/** What `SCANNER_CODE` has to hold: made of `wasm/canal-scanner.ts`, the same each time. */
export async function scannerCode(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-wasm-'));
  try {
    const outFile = join(directory, 'scanner.wasm');
    const source = ['canal-scanner.ts', '--baseDir', join(root, 'wasm'), '--outFile', outFile];
    const { error, stderr } = await asc.main([...source, ...OPTIONS, ...MEMORY]);
    if (error !== null) throw new Error(`wasm/canal-scanner.ts cannot be compiled: ${stderr.toString()}`);
    const lines = (await readFile(outFile)).toString('base64').match(/.{1,100}/g) ?? [];
    const text = lines.map((line) => `  '${line}',`).join('\n');
    return `// Made of wasm/canal-scanner.ts by \`npm run build:wasm\`; a test holds the two together.

/** WebAssembly in base64, line by line. */
export const SCANNER_CODE: readonly string[] = [\n${text}\n];\n`;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) await writeFile(SCANNER_CODE, await scannerCode());
