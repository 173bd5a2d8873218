/** Which files sources may read and sinks may write: who reaches a service from elsewhere is not to read its machine. */

import { realpathSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';

/** A folder; `any` for a service whose user is at this machine; `none`. */
export type FilesUnder = { readonly folder: string } | 'any' | 'none';

/** Throws 42501 for a statement that names a file which is not permitted. */
export function checkFiles(statement: Statement, under: FilesUnder): void {
  const path = pathOf(statement);
  if (path === null || under === 'any') return;
  const { offset } = statement;
  if (under === 'none') {
    const hint = 'the setting sqlFiles of the server names a folder for them';
    throw sqlError('42501', 'files of the server are not open to SQL', { offset, hint });
  }
  const inside = relative(real(under.folder), real(resolve(path)));
  if (inside !== '' && !inside.startsWith('..') && !isAbsolute(inside)) return;
  const hint = 'only files below the folder of the setting sqlFiles are';
  throw sqlError('42501', `the file ${path} is not open to SQL`, { offset, hint });
}

function pathOf(statement: Statement): string | null {
  if (statement.kind === 'createFileSource') return statement.path;
  return statement.kind === 'createSink' ? statement.into.path : null;
}

/** Links are followed as far as there is something; what is still to be made stands in a folder that is there. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = resolve(path, '..');
    return folder === path ? path : resolve(real(folder), relative(folder, path));
  }
}
