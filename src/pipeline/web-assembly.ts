/** As far as it is used here; not in the types of Node. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** A new instance of a program that imports nothing, by its code in base64; what it exports. */
export function instanceOf<T>(code: readonly string[]): T {
  const { Instance, Module } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
  return new Instance(new Module(Buffer.from(code.join(''), 'base64'))).exports as T;
}
