/** Names of the counts that are above their bound, or that are missing; none when all is well. */
export function exceeding<Name extends string>(
  counts: Readonly<Record<Name, number>>,
  bounds: Readonly<Partial<Record<Name, number>>>,
): readonly Name[] {
  const names = Object.keys(bounds) as Name[];
  return names.filter((name) => !(counts[name] <= (bounds[name] as number)));
}
