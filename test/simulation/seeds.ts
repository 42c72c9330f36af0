/** Runs that once found a fault, and what it was. They are run first, for good. */
export const FOUND: readonly { readonly seed: number; readonly fault: string }[] = [
  { seed: 13630, fault: 'a key was un-parked, and its instance died before it had closed the letters of the key' },
  { seed: 34895, fault: 'a change of another topic closed the letter of a key, since its version was higher' },
  { seed: 901355, fault: 'keys that a former owner had tried waited for its clock, an hour ahead of the new one' },
];
