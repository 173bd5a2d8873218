import { describe, expect, test } from 'vitest';
import { evaluateScheme } from '../../../src/area/scheme.ts';

const AT = {
  env: { A: 'a', N: '2', MT_TARGET: 'l/1', MT_RUNNAME: 'r' },
  origin: { file: '/t/testconfig', line: 7 },
};

describe('E1: expressions of Scheme', () => {
  test.each([
    ['(+ 1 2 3)', '6'],
    ['(- 5 2)', '3'],
    ['(* 2 3)', '6'],
    ['(getenv "A")', 'a'],
    ['(get-environment-variable "A")', 'a'],
    ['(getenv "NOT")', null],
    ['(args:get-arg "-target")', 'l/1'],
    ['(args:get-arg ":runname")', 'r'],
    ['(args:get-arg "-other")', null],
    ['(create-directory "x y" #t)', 'x y'],
    ['(conc "x" (getenv "A") 1)', 'xa1'],
    ['(string-append "x" "y")', 'xy'],
    ['(string-intersperse (list "x" "y") ",")', 'x,y'],
    ['(string-intersperse (list "x" "y"))', 'x y'],
    ['(if (getenv "A") "yes" "no")', 'yes'],
    ['(if (getenv "NOT") "yes" "no")', 'no'],
    ['(if (equal? (getenv "A") "a") 1 2)', '1'],
    ['(case (string->symbol (getenv "A")) ((a b) "first") (else "other"))', 'first'],
    ['(case (getenv "N") ((1) "one") (else "other"))', 'other'],
    ['(case 1 ((2) "two"))', null],
    ['"a \\"text\\""', 'a "text"'],
    ['12', '12'],
    ['#f', null],
  ])('%s is %j', (text, value) => {
    expect(evaluateScheme(text, AT)).toBe(value);
  });

  test.each([
    '(create-directory)',
    '(file-exists? "x")',
    '(define x 1)',
    'x',
    '(+ 1 "2")',
    '(-)',
    '(lambda (x) x)',
    '(string-intersperse "x")',
    '((+ 1 2))',
    '()',
    '',
    '1 2',
    '(if)',
    '(case 1 2)',
    '(system "rm")',
    '"open',
    '#/x/',
  ])('%j is refused with its place', (text) => {
    expect(() => evaluateScheme(text, AT)).toThrow('/t/testconfig:7: unsupported expression');
  });
});
