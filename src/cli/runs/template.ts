/** The files of a new area. */

const AREA = `# An area of tests: docs/areas.md has the grammar.

[fields]
# A target has one value for each: linux/1. They are environment variables of every test.
SYSTEM TEXT
RELEASE TEXT

[setup]
max_concurrent_jobs 4

[resources]
# How many there are; a test takes some: [requirements] resources port=1
port 2
`;

const RUNCONFIGS = `# The environment of every target, then that of one.

[default]
GREETING hello

[linux/1]
GREETING hello from $SYSTEM
`;

const BUILD = `[ezsteps]
compile echo "compiling for $SYSTEM"; echo "done: 0 errors" > result.txt
show cat result.txt

[rules]
show
  error "has errors" /[1-9]\\d* errors/
  required "says that it is done" /^done:/

[test_meta]
description makes what the checks look at
tags build
`;

const CHECK = `# Runs once for each item: small/first, small/second, large/first, large/second.
[requirements]
waiton build

[items]
SIZE small large
PART first second

[ezsteps]
greet echo "$GREETING, checking $SIZE/$PART"

[test_meta]
description looks at what build has made
tags check
`;

/** Path in the area, text. */
export const AREA_FILES: readonly (readonly [path: string, text: string])[] = [
  ['area.config', AREA],
  ['runconfigs.config', RUNCONFIGS],
  ['tests/build/testconfig', BUILD],
  ['tests/check/testconfig', CHECK],
];

export function testconfigOf(name: string): string {
  return `[ezsteps]
run echo "${name} runs in $PWD"

[test_meta]
description what ${name} proves
`;
}
