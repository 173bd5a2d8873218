/** Every limit of reading an area. Reaching one is an error with file and line, never a cut. */

/** Characters of one file, or of one command's output. */
export const TEXT_CHARS_MAX = 4 * 1024 * 1024;
/** Characters of one line after joining and expansion. */
export const LINE_CHARS_MAX = 1024 * 1024;
/** Characters of one value of the environment: Linux takes no more than 128 KiB. */
export const VARIABLE_CHARS_MAX = 65_536;
/** Characters of one `$(...)` in such a value; a longer one is plain text. */
export const SUBSTITUTION_CHARS_MAX = 4096;
/** Files that include one another. */
export const INCLUDE_DEPTH_MAX = 20;
/** Files and scripts that one configuration includes. */
export const INCLUDES_MAX = 1000;
/** Helpers expanded in one line: their output may hold helpers again. */
export const EXPANSIONS_MAX = 1000;
/** Entries of one configuration. */
export const ENTRIES_MAX = 100_000;
/** Tests of one area. */
export const TESTS_MAX = 20_000;
/** Items of one test. */
export const ITEMS_MAX = 100_000;
/** Characters of one item path, which becomes a folder. */
export const ITEM_PATH_CHARS_MAX = 1000;
/** Targets that one text with alternatives stands for. */
export const TARGETS_MAX = 10_000;
/** Characters of one regular expression. */
export const PATTERN_CHARS_MAX = 2000;
/** Expressions inside one another. */
export const SCHEME_DEPTH_MAX = 50;
/** Rules and sections of one log. */
export const RULES_MAX = 2000;
/** Characters of a line of a log that rules look at; the rest is not judged. */
export const LOG_LINE_CHARS_MAX = 16_384;
/** Lines that are remembered for one rule; all are counted. */
export const HITS_MAX = 20;
/** Values that the rules of one log find. */
export const VALUES_MAX = 1000;
/** Rows of one file of test data. */
export const DATA_ROWS_MAX = 100_000;
