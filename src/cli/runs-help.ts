/** What stands below the options of a verb: how it is called. */

/** Calls of `tidelock runs`, one a line. */
export function examples(...calls: readonly string[]): string {
  return `\nExamples:\n${calls.map((call) => `  tidelock runs ${call}\n`).join('')}`;
}
