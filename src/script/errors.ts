/** What can be wrong with a script itself, as opposed to what the script finds wrong. */

/** Where something stands in a file. Lines and columns count from 1. */
export type Place = { readonly file: string; readonly line: number; readonly column: number };

/** A file that cannot be read, or a case that asks for something that does not exist. Never the output of a case. */
export class ScriptError extends Error {
  readonly place: Place;
  /** What the author of the script can do about it. */
  readonly remedy: string;

  constructor(place: Place, message: string, remedy: string) {
    super(message);
    this.name = 'ScriptError';
    this.place = place;
    this.remedy = remedy;
  }
}

/** `testdata/a.test:12:3`, as editors and terminals understand it. */
export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}
