/** Runs that once found a fault, and what it was. They are run first, for good. */
export const FOUND: readonly { readonly seed: number; readonly fault: string }[] = [];
