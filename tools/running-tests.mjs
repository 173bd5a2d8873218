/**
 * A reporter that keeps a file of which tests are running: the only word about them when the whole step has to be
 * killed. The file is named by TIDELOCK_RUNNING; a line a change, `+` or `-`, the file and perhaps the test.
 *
 * A test that computes without a pause cannot even say that it has begun: then its file is known, and the last test before it.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

export default class RunningTests {
  onTestModuleStart({ relativeModuleId }) {
    note('+', relativeModuleId, '');
  }

  onTestCaseReady({ fullName, module }) {
    note('+', module.relativeModuleId, fullName);
  }

  onTestCaseResult({ fullName, module }) {
    note('-', module.relativeModuleId, fullName);
  }

  onTestModuleEnd({ relativeModuleId }) {
    note('-', relativeModuleId, '');
  }
}

function note(sign, file, test) {
  const notes = process.env.TIDELOCK_RUNNING;
  const line = `${sign}${file}\t${test}`.replaceAll('\n', ' ');
  if (notes !== undefined) appendFileSync(notes, `${line}\n`);
}

/**
 * @param {string} notes
 * @returns {readonly string[]} The tests that began and did not end, or the file and the last test of it that is known.
 */
export function runningTests(notes) {
  /** Of each open file: the tests that run, and the last one that ended. */
  const files = new Map();
  const lines = existsSync(notes) ? readFileSync(notes, 'utf8').split('\n') : [];
  for (const line of lines.filter((text) => text !== '')) {
    const [file, test] = line.slice(1).split('\t');
    const isStart = line.startsWith('+');
    if (test === '' && isStart) files.set(file, { running: new Set(), last: null });
    else if (test === '') files.delete(file);
    else if (isStart) files.get(file)?.running.add(test);
    else {
      files.get(file)?.running.delete(test);
      if (files.has(file)) files.get(file).last = test;
    }
  }
  return [...files].flatMap(([file, { running, last }]) => {
    if (running.size > 0) return [...running].map((test) => `${file} > ${test}`);
    return [last === null ? file : `${file}, after ${last}`];
  });
}
