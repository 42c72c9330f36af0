/**
 * Whether a name means the one index of that name, and a file of that name in this directory. Wildcards, lists,
 * exclusions, remote (`a:b`), hidden and computed (`<…>`) names would be other indices; a slash another directory.
 */
export function isPlainIndexName(index: string): boolean {
  return /^(?![-_+.])[^*?,#/\\"|<>: A-Z\0]+$/.test(index) && Buffer.byteLength(index) <= 255;
}
