import { registerHooks } from 'node:module';

/** One piece of a source file that is written differently in a mutant. */
export interface Patch {
  /** Path from the root. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly from: string;
  readonly to: string;
}

/**
 * Replaces text of source files as they are loaded from now on. Throws where a text does not stand in its file exactly
 * once: a mutant that changes nothing would prove nothing.
 */
export function patchSources(patches: readonly Patch[]): { loaded(): boolean } {
  const loaded = new Set<string>();
  registerHooks({
    load(url, context, nextLoad) {
      const answer = nextLoad(url, context);
      const own = patches.filter(({ file }) => url.endsWith(`/${file}`));
      if (own.length === 0) return answer;
      let text = String(answer.source instanceof Uint8Array ? Buffer.from(answer.source) : answer.source);
      for (const { file, from, to } of own) {
        const times = text.split(from).length - 1;
        if (times !== 1) throw new Error(`${file} holds the text to replace ${times} times: ${from}`);
        text = text.replace(from, () => to);
        loaded.add(`${file}\n${from}`);
      }
      return { ...answer, source: text };
    },
  });
  return { loaded: () => loaded.size === patches.length };
}
