/**
 * The mixing of row hashes as WebAssembly, because JavaScript has no fast 64-bit multiplication. The source is
 * row-mixer.wat; a test assembles it and compares. Memory is a fixed 320 KiB, shared by all hashers: whoever
 * calls must be done with it before anybody else is called, which code without `await` always is.
 */

/** Just enough of the types that TypeScript only knows in browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

type Exports = {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Adds the hashes of `count` packed rows to the sum. */
  readonly add: (count: number, seed: number, records: number, texts: number) => void;
  /** One piece of a row that is too long to be packed; all pieces but the last are multiples of 16 bytes. */
  readonly absorb: (
    low: bigint,
    high: bigint,
    at: number,
    size: number,
  ) => readonly [bigint, bigint];
  /** Ends such a row and adds its hash to the sum. */
  readonly finish: (low: bigint, high: bigint, total: bigint) => void;
};

/** Assembled from row-mixer.wat. */
export const ROW_MIXER = [
  'AGFzbQEAAAABHARgBH5+f38Cfn5gAX4BfmADfn5+AGAEf39/fwADBQQAAQIDBQMBAAUHIgQGbWVtb3J5AgAGYWJzb3',
  'JiAAAGZmluaXNoAAIDYWRkAAMK2AME0gEBA34CQCADRQ0AA0AgAikAACEEIAIpAAghBSADQRBJBEBCASADQQN0rYZC',
  'AX0hBiADQQhJBEAgBCAGgyEEQgAhBQUgBSAGgyEFC0EQIQMLIAAgBELVp4mKkfLe4Yd/fkIfiUL/ppa6sqjr+swAfo',
  'UhACAAQhuJIAF8QgV+QqnO85YFfCEAIAEgBUL/ppa6sqjr+swAfkIhiULVp4mKkfLe4Yd/foUhASABQh+JIAB8QgV+',
  'QrW1pcIDfCEBIAJBEGohAiADQRBrIgMNAAsLIAAgAQs0ACAAIABCIYiFQs2Z1ur++uuof34hACAAIABCIYiFQtPYl9',
  'Thv67nRH4hACAAIABCIYiFC18BAX4gACAChSEAIAEgAoUhASAAIAF8IQAgASAAfCEBIAAQASEAIAEQASEBIAAgAXwh',
  'ACABIAB8IQFBACkDACAAfCEDQQhBCCkDACABfCADIABUrXw3AwBBACADNwMAC20CAn4CfwJAIABFDQADQCACKAIAIQ',
  'YgAigCBCEHIAGtIAGtIAMgBhAAIQUhBCACQQhqIQIgBCAFIAIgBxAAIQUhBCAEIAUgBkEPakFwcSAHaq0QAiADIAZq',
  'IQMgAiAHaiECIABBAWsiAA0ACwsL',
].join('');

/** Bytes at which the parts of the memory begin: the sum (16 bytes), rows' words, rows' texts. */
export const RECORDS_AT = 16;
export const TEXTS_AT = 64 * 1024;
/** Behind it lies what may be read past the end. */
export const TEXTS_BYTES = 192 * 1024;

const code = Uint8Array.from(atob(ROW_MIXER), (character) => character.charCodeAt(0));
const instance = new WebAssembly.Instance(new WebAssembly.Module(code));

export const mixer = instance.exports as Exports;
