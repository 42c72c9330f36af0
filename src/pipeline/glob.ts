/**
 * Whether a glob fits a whole name: `*` any run of characters, `?` one; all else is itself. Goes back to the last `*` only,
 * so that no configuration can make it run long, as a regular expression of the same meaning would.
 */
export function matchesGlob(glob: string, name: string): boolean {
  let [at, inGlob, star, resumeAt] = [0, 0, -1, 0];
  while (at < name.length) {
    if (glob[inGlob] === '*') {
      star = inGlob;
      resumeAt = at;
      inGlob += 1;
    } else if (glob[inGlob] === '?' || glob[inGlob] === name[at]) {
      inGlob += 1;
      at += 1;
    } else {
      if (star === -1) return false;
      resumeAt += 1;
      at = resumeAt;
      inGlob = star + 1;
    }
  }
  while (glob[inGlob] === '*') inGlob += 1;
  return inGlob === glob.length;
}
