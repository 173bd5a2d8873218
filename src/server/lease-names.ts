/**
 * A lease belongs to the subject of the token that it was made with: who knows a replica's id, and has a token for
 * somebody else, makes another lease and moves nobody's. Without tokens, or without a subject, the id alone counts.
 */
import type { Access } from './auth.ts';

/** Ids of replicas have none. */
const SEPARATOR = '@';

export function leaseName(access: Access, replica: string): string;
export function leaseName(access: Access, replica: string | undefined): string | undefined;
export function leaseName({ subject }: Access, replica: string | undefined): string | undefined {
  return replica === undefined || subject === '' ? replica : `${replica}${SEPARATOR}${subject}`;
}

/** The replica's id, and the subject when there is one. */
export function leaseParts(name: string): { readonly replica: string; readonly subject?: string } {
  const at = name.indexOf(SEPARATOR);
  if (at < 0) return { replica: name };
  return { replica: name.slice(0, at), subject: name.slice(at + 1) };
}
