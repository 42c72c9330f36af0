import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { directorySink } from '../../src/sinks/directory-sink.ts';
import { readDirectoryIndex } from '../../src/sinks/read-directory-index.ts';
import { type IndexUnderTest, testIndexSinkConformance } from './index-sink.ts';

async function open(): Promise<IndexUnderTest> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-index-'));
  const sink = directorySink({ path });
  return {
    sink,
    documents: async (index) => readDirectoryIndex(path).get(index) ?? new Map(),
    close: async () => {
      await sink.close();
      await rm(path, { recursive: true });
    },
  };
}

// Each write is synced to disk, so fewer runs.
testIndexSinkConformance('directory', open, 20);
