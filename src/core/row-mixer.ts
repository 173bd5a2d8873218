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
  /** Bytes of the next `units` UTF-16 units at `at`; -1 when a character is cut by it. */
  readonly size: (at: number, units: number) => number;
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
  'AGFzbQEAAAABIgVgBH5+f38Cfn5gAX4BfmADfn5+AGACf38Bf2AEf39/fwADBgUAAQIDBAUDAQAFBykFBm1lbW9yeQ',
  'IABmFic29yYgAABmZpbmlzaAACBHNpemUAAwNhZGQABArfBAXSAQEDfgJAIANFDQADQCACKQAAIQQgAikACCEFIANB',
  'EEkEQEIBIANBA3SthkIBfSEGIANBCEkEQCAEIAaDIQRCACEFBSAFIAaDIQULQRAhAwsgACAEQtWniYqR8t7hh39+Qh',
  '+JQv+mlrqyqOv6zAB+hSEAIABCG4kgAXxCBX5Cqc7zlgV8IQAgASAFQv+mlrqyqOv6zAB+QiGJQtWniYqR8t7hh39+',
  'hSEBIAFCH4kgAHxCBX5CtbWlwgN8IQEgAkEQaiECIANBEGsiAw0ACwsgACABCzQAIAAgAEIhiIVCzZnW6v7666h/fi',
  'EAIAAgAEIhiIVC09iX1OG/rudEfiEAIAAgAEIhiIULXwEBfiAAIAKFIQAgASAChSEBIAAgAXwhACABIAB8IQEgABAB',
  'IQAgARABIQEgACABfCEAIAEgAHwhAUEAKQMAIAB8IQNBCEEIKQMAIAF8IAMgAFStfDcDAEEAIAM3AwALhQEBAn8gAC',
  'ECAkADQCABQQBMDQEgAUEITgRAIAApAABCgIGChIiQoMCAf4NQBEAgAEEIaiEAIAFBCGshAQwCCwsgAC0AACEDIAFB',
  'ASADQfABT2prIQEgAEEBaiADQYABTyADQeABTyADQfABT2pqaiEADAALCyABQQBIBEBBfw8LIAAgAmsLbQICfgJ/Ak',
  'AgAEUNAANAIAIoAgAhBiACKAIEIQcgAa0gAa0gAyAGEAAhBSEEIAJBCGohAiAEIAUgAiAHEAAhBSEEIAQgBSAGQQ9q',
  'QXBxIAdqrRACIAMgBmohAyACIAdqIQIgAEEBayIADQALCws=',
].join('');

/** Bytes at which the parts of the memory begin: the sum (16 bytes), rows' words, rows' texts. */
export const RECORDS_AT = 16;
export const TEXTS_AT = 64 * 1024;
/** Behind it lies what may be read past the end. */
export const TEXTS_BYTES = 192 * 1024;

const code = Uint8Array.from(atob(ROW_MIXER), (character) => character.charCodeAt(0));
const instance = new WebAssembly.Instance(new WebAssembly.Module(code));

export const mixer = instance.exports as Exports;
